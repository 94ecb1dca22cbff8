"""The cache of fetched files, addressed by the sha256 of their content.

```
<root>/blobs/<sha256>               each file once, read-only
<root>/models/<name>-<digest>/      a folder under the files' own names: hard links to the blobs
<root>/models/<name>-<digest>.json  the folder's manifest: sha256, size, time stamp of each file
<root>/models/<owner>--<name>@<revision>/  the same for a model of a hub
<root>/data/...                     the same for data sets
<root>/incoming/<name>-<digest>/    what is still being fetched, or was cut off
<root>/locks/<name>-<digest>.lock   held by the one process that fetches it
<root>/run-as-is/<fingerprint>      what a person has run, see `kerasformer.hub.trust`
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
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from kerasformer.errors import UserError
from kerasformer.files import sha256_of, write_whole
from kerasformer.sources.partial import SUFFIXES
from kerasformer.sources.places import FetchError, File


def default_root() -> Path:
    """The cache folder: `KERASFORMER_CACHE`, or `kerasformer` in the person's cache folder."""
    chosen = os.environ.get("KERASFORMER_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "kerasformer" / "cache"
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser().absolute() / "kerasformer"


class Cache:
    """The blobs, and the folders that show them under their names.

    Args:
        root: The cache's folder; it is made when something is first written.
    """

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

    def add(
        self,
        name: str,
        chunks: Iterable[bytes],
        scratch: Path,
        *,
        size: int | None = None,
        sha256: str | None = None,
    ) -> File:
        """Writes content into the cache, if it is what was expected.

        Args:
            name: The file's name, for messages and the result.
            chunks: The content, piece by piece.
            scratch: A folder on the same file system for the unfinished file.
            size: The bytes expected, where known; reading stops at the first byte beyond.
            sha256: The content's sha256, where known.

        Returns:
            The file with its true sha256 and size.

        Raises:
            FetchError: The content differs from what was expected.
        """
        digest, count = hashlib.sha256(), 0
        descriptor, unfinished = tempfile.mkstemp(dir=scratch)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                for chunk in chunks:
                    count += len(chunk)
                    if size is not None and count > size:
                        raise FetchError(f"{name} is longer than its {size:,} bytes")
                    digest.update(chunk)
                    stream.write(chunk)
            if size is not None and count < size:
                raise FetchError(f"{name} ended after {count:,} of {size:,} bytes")
            file = File(name, digest.hexdigest(), count)
            if sha256 is not None and file.sha256 != sha256:
                found, wanted = file.sha256[:12], sha256[:12]
                raise FetchError(f"{name} has the sha256 {found}..., not {wanted}...")
            self.adopt(Path(unfinished), file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)
            raise
        return file

    def adopt(self, path: Path, file: File):
        """Takes a finished file on the same file system as its own; its sha256 has been checked."""
        if self.holds(file):  # and other folders may be linked to it
            path.unlink()
            return
        with open(path, "r+b") as stream:
            os.fsync(stream.fileno())
        os.chmod(path, 0o444)
        self.blob(file.sha256).parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, self.blob(file.sha256))

    def explain(self, error: OSError) -> UserError:
        """A failure to write here as a sentence that says what to do."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            problem = f"the disk of the cache {self.root} is full: free some space"
        else:
            reason = error.strerror or error
            problem = f"the cache {self.root} cannot be used ({reason}): make it writable"
        return UserError(f"{problem}, or name another folder with KERASFORMER_CACHE.")


class CachedFolder:
    """A folder of files out of the cache, and its manifest; made by `Cache.folder`."""

    def __init__(self, cache: Cache, section: str, key: str):
        self.cache = cache
        self.key = key
        self.path = cache.root / section / key
        self._manifest = cache.root / section / f"{key}.json"

    def files(self) -> list[File]:
        """The files that the manifest lists; none where the folder was never finished."""
        return list(self._stamps())

    def is_complete(self, files: Iterable[File]) -> bool:
        """Whether every one of `files` is here, unchanged since its sha256 was checked."""
        stamps = self._stamps()
        return all(file in stamps and self._is_sound(file, stamps[file]) for file in files)

    def link(self, files: Iterable[File], about: Mapping[str, str]):
        """Shows `files`, which the cache holds, in this folder, and writes the manifest.

        Args:
            files: What the folder holds.
            about: What else the manifest says, such as where the files are from.
        """
        entries = []
        for file in files:
            path = self.path / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(self.cache.blob(file.sha256), path)
            entries.append({**asdict(file), "mtime_ns": path.stat().st_mtime_ns})
        write_whole(self._manifest, json.dumps({**about, "files": entries}, indent=1))

    def manifest(self) -> dict:
        """What was recorded when the folder was linked; empty where it never was."""
        try:
            manifest = json.loads(self._manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return manifest if isinstance(manifest, dict) else {}

    @contextlib.contextmanager
    def fetching(self) -> Iterator[Path]:
        """Holds this folder's lock, and gives a scratch folder.

        What is in it afterwards is removed, but for downloads that were merely cut off: they stay
        until the folder is finished, and nobody but the next holder of the lock sees them.
        """
        locks, scratch = self.cache.root / "locks", self.cache.root / "incoming" / self.key
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{self.key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"Waiting for another process that fetches {self.key} ...", file=sys.stderr)
            lock.acquire()
        try:
            _clear(scratch)  # of what a killed run left
            scratch.mkdir(parents=True, exist_ok=True)
            yield scratch
            shutil.rmtree(scratch, ignore_errors=True)
        finally:
            _clear(scratch)
            lock.release()

    def _stamps(self) -> dict[File, int]:
        try:
            return {
                File(entry["name"], entry["sha256"], entry["size"]): entry["mtime_ns"]
                for entry in self.manifest()["files"]
            }
        except (KeyError, TypeError):
            return {}

    def _is_sound(self, file: File, stamp: int) -> bool:
        path = self.path / file.name
        try:
            status = path.stat()
        except OSError:
            return False
        if status.st_size != file.size:
            return False
        return status.st_mtime_ns == stamp or sha256_of(path) == file.sha256


def _clear(scratch: Path):
    """Removes all but the downloads that can be continued, and the folder where it is empty."""
    for path in scratch.glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif not path.name.endswith(SUFFIXES):
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        scratch.rmdir()


def _link_or_copy(blob: Path, path: Path):
    unfinished = path.with_name(f".{path.name}.incoming")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(blob, unfinished)
    except OSError:  # a file system without hard links, or with too many to this blob
        shutil.copy2(blob, unfinished)
    os.replace(unfinished, path)
    unfinished.unlink(missing_ok=True)  # renaming does nothing where both are one file already
