"""`resolve`: a path, a preset's name or a `hf://` handle to a local folder with checked files."""

import difflib
import os
import re
from pathlib import Path

from kerasformer.checkpoints.cache import Cache, default_root
from kerasformer.checkpoints.fetch import hub_folder, preset_folder
from kerasformer.checkpoints.presets import PRESETS, HuggingFace
from kerasformer.errors import UserError

_ACCEPTED = "a folder or file, a preset's name, or hf://owner/name[@revision]"
_REPO = r"\w[\w.-]*/\w[\w.-]*"


def resolve(source: str | os.PathLike, *, offline: bool | None = None) -> Path:
    """Turns what a person names into a local folder or file, fetched and checked where needed.

    A preset's name wins over a folder of that name here; write `./name` for the folder.

    The cache is `KERASFORMER_CACHE`, or `kerasformer` in the person's cache folder
    (`XDG_CACHE_HOME`, `~/.cache`). Every file of a preset is checked against its sha256. A
    `hf://` model without a revision is fetched once, at the commit of that time, and then stays
    the same; name another revision to get another.

    Args:
        source: A path of a folder or file; a name out of `presets.PRESETS`; or
            `hf://owner/name[@revision]`, a public model on the Hugging Face hub.
        offline: Whether to do without the network; by default as `KERASFORMER_OFFLINE` says.

    Returns:
        The path itself, or the folder in the cache that holds the files under their names.

    Raises:
        UserError: There is no such path or name, or it can be fetched from none of its places.

    Example:

    >>> resolve(".")
    PosixPath('.')
    >>> resolve("all-minilm-l6")
    Traceback (most recent call last):
    kerasformer.errors.UserError: There is no preset, file or folder 'all-minilm-l6'; ...
    """
    if offline is None:
        offline = is_offline()
    if isinstance(source, str) and source in PRESETS:
        return preset_folder(PRESETS[source], Cache(default_root()), offline)
    if isinstance(source, str) and "://" in source:
        return _resolve_handle(source, offline)
    return _resolve_path(source)


def _resolve_path(source: str | os.PathLike) -> Path:
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        raise UserError(f"{source!r} is no source: give {_ACCEPTED}.")
    path = os.path.expanduser(source)
    if os.path.exists(path):
        return Path(path)
    name, near = str(source), _near(str(source))
    if re.search(r"[\\/]|^[.~]", name) or isinstance(source, os.PathLike):
        hint = ""
        if re.fullmatch(_REPO, name, flags=re.ASCII):
            hint = f", or write hf://{name} for the model on the Hugging Face hub"
        raise UserError(f"There is no file or folder {name!r}: check the path{hint}.")
    advice = f"did you mean {near}?" if near else f"the presets are {', '.join(PRESETS)}."
    raise UserError(f"There is no preset, file or folder {name!r}; {advice}")


def _near(name: str) -> str:
    """The presets whose names are near to `name`, as words of a sentence."""
    names = {preset.lower(): preset for preset in PRESETS}
    return " or ".join(names[near] for near in difflib.get_close_matches(name.lower(), names))


def is_offline() -> bool:
    """Whether `KERASFORMER_OFFLINE` forbids the network."""
    return os.environ.get("KERASFORMER_OFFLINE", "").lower() not in ("", "0", "false", "no")


def _resolve_handle(handle: str, offline: bool) -> Path:
    scheme, _, rest = handle.partition("://")
    if scheme != "hf":
        raise UserError(f"{scheme}:// in {handle!r} is not supported: give {_ACCEPTED}.")
    match = re.fullmatch(rf"({_REPO})(?:@(\w[\w./-]*))?", rest, flags=re.ASCII)
    if match is None:
        raise UserError(
            f"{handle!r} does not name a model: write hf://owner/name or hf://owner/name@revision, "
            "such as hf://google-bert/bert-base-uncased."
        )
    return hub_folder(HuggingFace(match[1], match[2]), Cache(default_root()), offline)
