"""The cache of fetched files, addressed by the sha256 of their content.

```
<root>/blobs/<sha256>               each file of a preset once, read-only
<root>/models/<name>-<digest>/      a folder under the files' own names: hard links to the blobs
<root>/models/<name>-<digest>.json  the folder's manifest: sha256, size, time stamp of each file
<root>/models/<owner>--<name>@<revision>.json  the same of a model of a hub: the version that was
                                    fetched first, and the folder in that hub's own cache
<root>/data/...                     the same for data sets
<root>/incoming/<name>-<digest>/    what is still being fetched, or was cut off
<root>/locks/<name>-<digest>.lock   held by the one process that fetches it
<root>/run-as-is/<fingerprint>      what a person has run, see `kerasformer.hub.saved_model`
<root>/programs/                    what JAX has compiled, see `kerasformer.sources.programs`
```

A file's sha256 is checked while it is written and again when a folder first links it. After that
each use checks the size and the time stamp of every file, as git's index does: only a file whose
stamp has changed is hashed again, so that a cached model costs a few system calls.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from kerasformer.errors import UserError
from kerasformer.files import expanded, open_whole, read_json, sha256_of, write_whole
from kerasformer.progress import say
from kerasformer.sources.places import FetchError, File


def default_root() -> Path:
    """The cache folder: `KERASFORMER_CACHE`, or `kerasformer` in the person's cache folder."""
    chosen = os.environ.get("KERASFORMER_CACHE")
    if chosen:
        return expanded(chosen).absolute()
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "kerasformer" / "cache"
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expanded(caches).absolute() / "kerasformer"


class Cache:
    """The blobs, and the folders that show them under their names; made when first written to."""

    def __init__(self, root: Path):
        self.root = Path(root)

    def folder(self, section: str, key: str) -> "CachedFolder":
        """The folder `key` in a section of the cache, `"models"` or `"data"`."""
        return CachedFolder(self, section, key)

    def blob(self, sha256: str) -> Path:
        """Where the content with this sha256 is, or would be."""
        return self.root / "blobs" / sha256

    def holds(self, file: File) -> bool:
        """Whether the content of `file` is here, size and sha256 checked; if bad, it is dropped."""
        blob = self.blob(file.sha256)
        try:
            sound = blob.stat().st_size == file.size and sha256_of(blob) == file.sha256
        except FileNotFoundError:
            return False
        if not sound:
            blob.unlink(missing_ok=True)
        return sound

    def add(self, file: File, chunks: Iterable[bytes], scratch: Path) -> None:
        """Writes content into the cache, by way of a scratch folder on the same file system.

        A FetchError where it is not what `file` says, read up to the first byte too many.
        """
        if self.holds(file):
            return  # and other folders may be linked to it
        digest, count, unfinished = hashlib.sha256(), 0, scratch / file.sha256
        with open_whole(unfinished) as stream:
            for chunk in chunks:
                count += len(chunk)
                if count > file.size:
                    raise FetchError(f"{file.name} is longer than its {file.size:,} bytes")
                digest.update(chunk)
                stream.write(chunk)
            if count < file.size:
                raise FetchError(f"{file.name} ended after {count:,} of {file.size:,} bytes")
            if digest.hexdigest() != file.sha256:
                found, wanted = digest.hexdigest()[:12], file.sha256[:12]
                raise FetchError(f"{file.name} has the sha256 {found}..., not {wanted}...")
        os.chmod(unfinished, 0o444)
        self.blob(file.sha256).parent.mkdir(parents=True, exist_ok=True)
        os.replace(unfinished, self.blob(file.sha256))

    def explain(self, error: OSError) -> UserError:
        """A failure to write here as a sentence that says what to do."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            problem = f"the disk of the cache {self.root} is full: free some space"
        else:
            reason = error.strerror or error
            problem = f"the cache {self.root} cannot be used ({reason}): make it writable"
        return UserError(f"{problem}, or name another folder with KERASFORMER_CACHE.")


class CachedFolder:
    """A folder of files, and its manifest in the cache; made by `Cache.folder`."""

    def __init__(self, cache: Cache, section: str, key: str):
        self.cache = cache
        self.key = key
        self._own = cache.root / section / key
        self._manifest = cache.root / section / f"{key}.json"

    @property
    def path(self) -> Path:
        """The folder: the cache's own, or the one that was recorded."""
        folder = self.manifest().get("folder")
        return Path(folder) if isinstance(folder, str) else self._own

    def files(self) -> list[File]:
        """The files that the manifest lists; none where the folder was never finished."""
        return list(self._stamps())

    def is_complete(self, files: Iterable[File]) -> bool:
        """Whether every one of `files` is here, unchanged since its sha256 was checked."""
        stamps, path = self._stamps(), self.path
        return bool(stamps) and all(
            file in stamps and _is_sound(path / file.name, file, stamps[file]) for file in files
        )

    def link(self, files: Iterable[File], about: Mapping[str, str]) -> None:
        """Shows `files`, which the cache holds, in the cache's own folder, and records them."""
        for file in files:
            path = self._own / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(self.cache.blob(file.sha256), path)
        self.record(self._own, files, about)

    def record(self, folder: Path, files: Iterable[File], about: Mapping[str, str]) -> None:
        """Writes the manifest of a folder whose files have just been checked."""
        entries = [
            {**asdict(file), "mtime_ns": (folder / file.name).stat().st_mtime_ns} for file in files
        ]
        about = {**about, "folder": str(folder)} if folder != self._own else about
        self._manifest.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._manifest, json.dumps({**about, "files": entries}, indent=1))

    def manifest(self) -> dict:
        """What was recorded; empty where nothing was."""
        try:
            return read_json(self._manifest)
        except UserError:
            return {}

    @contextlib.contextmanager
    def fetching(self) -> Iterator[Path]:
        """Holds this folder's lock, and gives a scratch folder, which is removed afterwards."""
        locks, scratch = self.cache.root / "locks", self.cache.root / "incoming" / self.key
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{self.key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"Waiting for another process that fetches {self.key} ...")
            lock.acquire()
        try:
            shutil.rmtree(scratch, ignore_errors=True)  # what a killed run left
            scratch.mkdir(parents=True)
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            lock.release()

    def _stamps(self) -> dict[File, int]:
        try:
            return {
                File(entry["name"], entry["sha256"], entry["size"]): entry["mtime_ns"]
                for entry in self.manifest()["files"]
            }
        except (KeyError, TypeError):
            return {}


def _is_sound(path: Path, file: File, stamp: int) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    if status.st_size != file.size:
        return False
    return status.st_mtime_ns == stamp or sha256_of(path) == file.sha256


def _link_or_copy(blob: Path, path: Path) -> None:
    unfinished = path.with_name(f".{path.name}.incoming")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(blob, unfinished)
    except OSError:  # a file system without hard links, or with too many to this blob
        shutil.copy2(blob, unfinished)
    os.replace(unfinished, path)
    unfinished.unlink(missing_ok=True)  # renaming does nothing where both are one file already
