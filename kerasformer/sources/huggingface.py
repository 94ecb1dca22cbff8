"""Models of the Hugging Face hub, by huggingface_hub: its cache, its tokens, its mirrors.

`download` runs in a child process (`kerasformer.sources.child`). Around the library is checked
what it does not promise: that ETags, which it makes names of files in its cache, are such names;
that no redirect leads from https to http; that what came is what the hub's own list says.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from kerasformer.files import parse_json, read_text, sha256_of
from kerasformer.sources.child import announce, asking
from kerasformer.sources.places import FetchError, Hub, check_names, require_https
from kerasformer.sources.signatures import unlike

TIMEOUT = 5  # seconds of silence
_CHUNK = 1 << 14  # bytes; the library's 10 MB would make a slow download look like none
_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
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


def select(names: Collection[str], read: Callable[[str], str | bytes]) -> list[str]:
    """The files that a model needs, out of the names in its repository; never a pickle."""
    found = [_MODULES] if _MODULES in names else []
    weights = []
    for folder in ("", *(_module_folders(read(_MODULES)) if found else ())):
        weights += _weights(folder, names, read)
        found += [folder + name for name in _BESIDE if folder + name in names]
    if not any(name.endswith(_CONFIG) for name in found):
        raise FetchError(f"it has no {_CONFIG}")
    if not weights:
        raise FetchError(f"it has no {_WEIGHTS}, and no other format of weights is read")
    return weights + found


def _weights(folder: str, names: Collection[str], read: Callable[[str], str | bytes]) -> list[str]:
    if folder + _WEIGHTS in names:
        return [folder + _WEIGHTS]
    if folder + _INDEX not in names:
        return []
    try:
        shards = sorted(set(parse_json(read(folder + _INDEX), _INDEX)["weight_map"].values()))
        sound = all(re.fullmatch(r"\w[\w.-]*\.safetensors", s, flags=re.ASCII) for s in shards)
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise FetchError(f"its {_INDEX} is not sound: expected .safetensors files beside it")
    if absent := [shard for shard in shards if folder + shard not in names]:
        raise FetchError(f"it has no {absent[0]}, which its {_INDEX} names")
    return [folder + name for name in (_INDEX, *shards)]


def _module_folders(modules: str | bytes) -> list[str]:
    """The folders that a sentence-transformers model names, each with a `/` at its end."""
    try:
        paths = [str(module["path"]) for module in parse_json(modules, _MODULES, object)]
    except (ValueError, KeyError, TypeError):
        raise FetchError(f"its {_MODULES} is no list of modules with a path each") from None
    return [f"{path.strip('/')}/" for path in paths if path.strip("/")]


def remove(path: Path) -> None:
    """Removes a file from a cache, and the blob that it is a link to."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def is_offline() -> bool:
    """Whether the person has told huggingface_hub to keep off the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def cached(place: Hub) -> Path | None:
    """The snapshot of a model in the person's Hugging Face cache, whoever has fetched it."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(place.model, _CONFIG, revision=place.version)
    return Path(path).parent if isinstance(path, str) else None


def download(model: str, version: str | None) -> dict[str, Any]:
    """Downloads the files that are read of a model into the person's Hugging Face cache.

    The result has the `folder`, the `version` (a commit), and the `files`: their names, sha256 and
    sizes.
    """
    repository = _Repository(model, version or "main")
    names = select(repository.listed, lambda name: read_text(repository.get(name)))
    check_names(names)
    repository.announce(names)
    files = [(name, *repository.verified(name)) for name in names]
    return {"folder": str(repository.snapshot), "version": repository.commit, "files": files}


class _Repository:
    """A repository on the hub: its commit, and what the hub lists of its files, by name."""

    def __init__(self, model: str, version: str):
        from huggingface_hub import HfApi, constants

        self._model, self._endpoint = model, os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
        constants.DOWNLOAD_CHUNK_SIZE = _CHUNK
        constants.HF_HUB_DISABLE_XET = True  # the guards below do not reach into its transfers
        _guard_requests(self._endpoint)
        asking("the list of its files")
        api = HfApi(endpoint=self._endpoint)
        try:
            info = api.model_info(model, revision=version, files_metadata=True, timeout=TIMEOUT)
            self.listed = {file.rfilename: file for file in info.siblings or ()}
            self.commit = str(info.sha)
            size = sum(file.size or 0 for file in self.listed.values())
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            size = -1
        if size < 0 or not re.fullmatch("[0-9a-f]{40}", self.commit):
            raise FetchError("the list of its files is not as the hub writes it")
        self._cache = Path(constants.HF_HUB_CACHE).absolute()
        self._folder = self._cache / f"models--{model.replace('/', '--')}"
        self.snapshot = self._folder / "snapshots" / self.commit

    def announce(self, names: list[str]) -> None:
        """Says how much is about to come, if the disk has room for it."""
        sizes = [self.listed[name].size for name in names if not (self.snapshot / name).is_file()]
        known = sum(size or 0 for size in sizes)
        self._cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._cache).free
        if known > free:  # the library only warns
            raise FetchError(f"it needs {known:,} bytes, and {self._cache} has {free:,} free")
        announce(self._folder, None if None in sizes else known)

    def get(self, name: str) -> Path:
        """A file's path in the cache, downloaded where it is not there yet."""
        from huggingface_hub import hf_hub_download

        check_names([name])
        asking(name)
        path = hf_hub_download(
            self._model,
            name,
            revision=self.commit,
            endpoint=self._endpoint,
            etag_timeout=TIMEOUT,
        )
        if Path(path).absolute() != self.snapshot / name:
            raise FetchError(f"{name} is said to be of another commit")
        return self.snapshot / name

    def verified(self, name: str) -> tuple[str, int]:
        """A file's sha256 and size, once it is what the hub's list says, and looks like its name
        where that has no hash.
        """
        listed, problem = self.listed[name], ""
        for _ in range(2):  # it may have been spoiled in the cache, or joined from two versions
            path = self.get(name)
            size, sha256 = path.stat().st_size, sha256_of(path)
            if listed.size not in (None, size):
                problem = f"{name} has {size:,} bytes, not {listed.size:,}"
            elif listed.lfs and listed.lfs.sha256 != sha256:
                problem = f"{name} has the sha256 {sha256[:12]}..., not {listed.lfs.sha256[:12]}..."
            elif not listed.lfs and listed.blob_id not in (None, _git_hash(path)):
                problem = f"{name} has another hash than in the hub's list"
            elif not listed.lfs and not listed.blob_id and (fault := unlike(name, path)):
                problem = f"{name} {fault}"
            else:
                return sha256, size
            remove(path)
        raise FetchError(problem)


def _git_hash(path: Path) -> str:
    """The sha1 that git names a file's content by."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _guard_requests(origin: str) -> None:
    """Has the library's own client refuse what it would follow, or take for a path."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import get_session

    def check_request(request) -> None:
        require_https(str(request.url), origin)

    def check_response(response) -> None:
        for header in ("etag", "x-linked-etag", "x-repo-commit"):
            told = response.headers.get(header, "")
            # What a HEAD says of a file is what the library names blobs and snapshots after.
            if response.request.method == "HEAD" and not re.fullmatch(r'(W/)?"?[\w-]*"?', told):
                raise FetchError(f"its server sends an unsafe {header}")

    own = get_session()
    hooks: dict[str, list[Callable[..., Any]]] = {
        "request": [*own.event_hooks["request"], check_request],
        "response": [*own.event_hooks["response"], check_response],
    }
    set_client_factory(lambda: type(own)(event_hooks=hooks, follow_redirects=True, timeout=TIMEOUT))
