"""`resolve`: a path, a preset's name or a hub's handle to a local folder with checked files."""

import difflib
import os
import re
from pathlib import Path

from kerasformer.errors import UserError
from kerasformer.formatting import joined
from kerasformer.sources.cache import Cache, default_root
from kerasformer.sources.folders import hub_folder, preset_folder
from kerasformer.sources.places import Hub, HuggingFace, Kaggle, TFHub
from kerasformer.sources.presets import HUB_NAMES, PRESETS
from kerasformer.transaction import finish_saving

_ACCEPTED = (
    "a folder or file, a preset's name, hf://owner/name[@revision], "
    "https://tfhub.dev/publisher/name/version or kaggle://owner/model/framework/variation[/version]"
)
_NAME = r"\w[\w.-]*"
_REPO = f"{_NAME}/{_NAME}"
_HANDLES = (  # how a handle goes on, the class whose arguments that gives, how to write it
    (
        rf"({_REPO})(?:@(\w[\w./-]*))?",
        HuggingFace,
        "hf://owner/name or hf://owner/name@revision, such as hf://google-bert/bert-base-uncased",
    ),
    (
        rf"({_REPO}(?:/{_NAME})*)/([1-9]\d{{0,8}})",
        TFHub,
        "https://tfhub.dev/publisher/name/version, such as "
        "https://tfhub.dev/tensorflow/bert_en_uncased_preprocess/3",
    ),
    (
        rf"({_REPO}/{_REPO})(?:/([1-9]\d{{0,8}}))?",
        Kaggle,
        "kaggle://owner/model/framework/variation or that and /version, such as "
        "kaggle://tensorflow/bert/tensorFlow2/en-uncased-preprocess/3",
    ),
)


def resolve(source: str | os.PathLike, *, offline: bool | None = None) -> Path:
    """Turns what a person names into a local folder or file, fetched and checked where needed.

    A preset's name wins over a folder of that name here; write `./name` for the folder.

    Presets are kept in `KERASFORMER_CACHE`, or `kerasformer` in the person's cache folder
    (`XDG_CACHE_HOME`, `~/.cache`), each file checked against its sha256. Models of a hub are kept
    in that hub's own cache (`HF_HOME`, `KAGGLEHUB_CACHE`, `TFHUB_CACHE_DIR`) and fetched with its
    own credentials (`hf auth login`, `~/.kaggle`). A model without a revision or version is fetched
    once, as it is at that time, and then stays the same; name another revision to get another.

    Args:
        source: A path of a folder or file, or the prefix of a TensorFlow checkpoint; a name out of
            `presets.PRESETS`; `hf://owner/name[@revision]`, a model on the Hugging Face hub; or one
            of TF Hub's, `https://tfhub.dev/publisher/name/version`, on Kaggle
            `kaggle://owner/model/framework/variation[/version]`.
        offline: Whether to do without the network; by default as `KERASFORMER_OFFLINE` says, and
            for `hf://` also `HF_HUB_OFFLINE`.

    Returns:
        The path itself, or the folder in the cache that holds the files under their names.

    Raises:
        UserError: There is no such path or name, or it can be fetched from none of its places.

    Example:

    >>> resolve(".")
    PosixPath('.')
    >>> resolve("bert-base-uncased")
    Traceback (most recent call last):
    kerasformer.errors.UserError: There is no preset, file or folder 'bert-base-uncased'; did you
    mean hf://google-bert/bert-base-uncased?
    """
    if offline is None:
        offline = is_offline()
    if isinstance(source, str) and source in PRESETS:
        return preset_folder(PRESETS[source], Cache(default_root()), offline)
    if isinstance(source, str) and "://" in source:
        return hub_folder(_parse(source), Cache(default_root()), offline)
    return _resolve_path(source)


def _resolve_path(source: str | os.PathLike) -> Path:
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        raise UserError(f"{source!r} is not a source: give {_ACCEPTED}.")
    path = os.path.expanduser(source)
    if os.path.exists(path) or os.path.exists(f"{path}.index"):  # or a checkpoint's prefix
        finish_saving(Path(path))  # by us, and cut off
        return Path(path)
    name, near = str(source), _near(str(source))
    if re.search(r"[\\/]|^[.~]", name) or isinstance(source, os.PathLike):
        hint = ""
        if re.fullmatch(_REPO, name, flags=re.ASCII):
            hint = f", or write hf://{name} for the model on the Hugging Face hub"
        raise UserError(f"There is no file or folder {name!r}: check the path{hint}.")
    advice = f"did you mean {near}?" if near else f"the presets are {_presets()}."
    raise UserError(f"There is no preset, file or folder {name!r}; {advice}")


def _near(name: str) -> str | None:
    """The preset, or the well-known model on the Hugging Face hub, that was probably meant."""
    known = {preset.lower(): preset for preset in PRESETS}
    known |= {name: f"hf://{owner}/{name}" for owner, names in HUB_NAMES.items() for name in names}
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.8)
    return known[near[0]] if near else None


def _presets() -> str:
    models, data = ([p.name for p in PRESETS.values() if p.kind == k] for k in ("model", "data"))
    return f"{joined(models)} (models), {joined(data)} (data)"


def is_offline() -> bool:
    """Whether `KERASFORMER_OFFLINE` forbids the network."""
    return os.environ.get("KERASFORMER_OFFLINE", "").lower() not in ("", "0", "false", "no")


def _parse(handle: str) -> Hub:
    """The model that a handle names."""
    for pattern, hub, form in _HANDLES:
        start, _ = hub.written
        if handle.startswith(start):
            match = re.fullmatch(pattern, handle.removeprefix(start), flags=re.ASCII)
            if match is None or ".." in handle:
                near = _near(handle.removeprefix(start)) if hub is HuggingFace else None
                raise UserError(f"{handle!r} does not name a model: write {near or form}.")
            return hub(*match.groups())
    page = re.match(r"https?://(?:www\.)?kaggle\.com/models/([^?#]+)", handle)
    if page is not None:
        model = re.sub(r"/(frameworks|variations|versions)(?=/)", "", page[1].strip("/"))
        raise UserError(f"{handle!r} is a page of Kaggle: write kaggle://{model}.")
    scheme = handle.partition("://")[0]
    raise UserError(f"{scheme}:// in {handle!r} is not supported: give {_ACCEPTED}.")
