"""The Hugging Face hub as a place to fetch models from, by plain HTTPS requests.

`{endpoint}/api/models/{repo}/revision/{revision}?blobs=true` tells the commit and the files with
their sizes, and the sha256 of the large ones. A file is at `{endpoint}/{repo}/resolve/{commit}/
{file}`; a large one is a redirect to another host. The endpoint is https://huggingface.co, or a
mirror named by `HF_ENDPOINT`. `HF_TOKEN` opens private and gated models.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from kerasformer.checkpoints.io.safetensors_file import SHARD_INDEX, WEIGHTS, read_shard_index
from kerasformer.errors import UserError
from kerasformer.sources.archive import MemberNames
from kerasformer.sources.cache import Cache
from kerasformer.sources.download import download, download_json
from kerasformer.sources.places import FetchError, File, HuggingFace
from kerasformer.sources.progress import FetchProgress
from kerasformer.sources.request import Address, bearer, endpoint

_CONFIG = "config.json"
_MODULES = "modules.json"  # of sentence-transformers: the folders that make up the model
_BESIDE = (
    _CONFIG,
    "README.md",  # the model card, which tells the licence
    "added_tokens.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def fetch_from_hub(
    place: HuggingFace,
    files: Iterable[File],
    cache: Cache,
    scratch: Path,
    progress: FetchProgress,
) -> Iterator[File]:
    """Downloads files whose content is known beforehand.

    Args:
        place: The model's repository.
        files: The files that are wanted.
        cache: Where they go, each checked.
        scratch: A folder for what is unfinished.
        progress: Told how far the download is.

    Yields:
        Each file once it is stored.

    Raises:
        FetchError: The hub does not answer, or what it has is not what was expected.
    """
    for file in files:
        address = _address(place, file.name)
        path, _ = download(address, scratch, progress, size=file.size, sha256=file.sha256)
        cache.adopt(path, file)
        yield file


def discover_on_hub(
    place: HuggingFace, cache: Cache, scratch: Path, progress: FetchProgress
) -> tuple[list[File], str]:
    """Downloads a model of which nothing is known but its name.

    Args:
        place: The model's repository.
        cache: Where its files go.
        scratch: A folder for what is unfinished.
        progress: Told how far the download is.

    Returns:
        The files, and the commit that they are of.

    Raises:
        FetchError: The hub does not answer, there is no such model, or not in a format that is
            read.
    """
    commit, listed = _list(place, scratch, progress)
    names, files = MemberNames(str(place)), {}
    place = place.pinned(commit)

    def take(name: str) -> Path | None:
        """A file's content, fetched at most once; None where the model has no such file."""
        if name not in listed:
            return None
        if name not in files:
            names.take(name)
            files[name] = _take(place, name, *listed[name], cache, scratch, progress)
        return cache.blob(files[name].sha256)

    weights = False
    for folder in ("", *_module_folders(take(_MODULES))):
        weights |= _take_weights(folder, take)
        for name in _BESIDE:
            take(folder + name)
    if not any(name.endswith(_CONFIG) for name in files):
        raise FetchError(f"it has no {_CONFIG}")
    if not weights:
        raise FetchError(f"it has no {WEIGHTS}, and no other format of weights is read")
    return list(files.values()), commit


def _take(place, name, size, sha256, cache: Cache, scratch: Path, progress) -> File:
    known = File(name, sha256 or "", size)
    if sha256 and cache.holds(known):
        return known
    path, file = download(_address(place, name), scratch, progress, size=size, sha256=sha256)
    cache.adopt(path, file)
    return file


def _take_weights(folder: str, take) -> bool:
    if take(folder + WEIGHTS):
        return True
    index = take(folder + SHARD_INDEX)
    if index is None:
        return False
    try:
        shards = sorted(set(read_shard_index(index).values()))
    except UserError as error:
        raise FetchError(f"its {SHARD_INDEX} is unsound: {error}") from None
    for shard in shards:
        if take(folder + shard) is None:
            raise FetchError(f"it has no {shard}, which its {SHARD_INDEX} names")
    return True


def _module_folders(modules: Path | None) -> list[str]:
    """The folders that a sentence-transformers model names, each with a `/` at its end."""
    if modules is None:
        return []
    try:
        paths = [str(module["path"]) for module in json.loads(modules.read_bytes())]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FetchError(f"its {_MODULES} is no list of modules with a path each") from None
    return [f"{path.strip('/')}/" for path in paths if path.strip("/")]


def _list(place: HuggingFace, scratch: Path, progress) -> tuple[str, dict[str, tuple]]:
    """The commit, and of each file the size and, if it is large, the sha256."""
    revision = quote(place.revision or "main", safe="")
    url = f"{_endpoint()}/api/models/{place.repo}/revision/{revision}?blobs=true"
    address = Address("the list of its files", url, bearer("HF_TOKEN"))
    told = download_json(address, scratch, progress)
    try:
        commit, files = told["sha"], told["siblings"]
        listed = {
            file["rfilename"]: (file.get("size"), (file.get("lfs") or {}).get("sha256"))
            for file in files
        }
        sound = re.fullmatch("[0-9a-f]{40}", commit) and all(
            type(size) in (int, type(None)) and re.fullmatch("[0-9a-f]{64}", sha256 or "0" * 64)
            for size, sha256 in listed.values()
        )
    except (KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise FetchError(f"{address.name} is not as the hub writes it")
    return commit, listed


def _address(place: HuggingFace, name: str) -> Address:
    revision = quote(place.revision or "main", safe="")
    url = f"{_endpoint()}/{place.repo}/resolve/{revision}/{quote(name)}"
    return Address(name, url, bearer("HF_TOKEN"))


def _endpoint() -> str:
    return endpoint("HF_ENDPOINT", "https://huggingface.co")
