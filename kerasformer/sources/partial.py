"""A file that is still coming: kept when it was merely cut off, to be continued from there."""

import hashlib
import json
import os
from pathlib import Path

from kerasformer.files import write_whole

SUFFIXES = (".partial", ".partial.json")
_CHUNK = 1 << 20


class Partial:
    """The bytes of a download that have come so far, and the ETag of the version they are of.

    A context manager. Where the server gave no strong ETag, nothing is left at the end, for nobody
    could tell whether the rest belongs to the same version (RFC 9110, 13.1.5).

    Args:
        folder: Where the unfinished file is kept, held by one process.
        url: What is downloaded; the same address continues the same file.
    """

    def __init__(self, folder: Path, url: str):
        stem = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.path, self._note = (folder / f"{stem}{suffix}" for suffix in SUFFIXES)
        self.etag: str | None = None
        self.count = 0  # bytes
        self._kept = True

    def __enter__(self):
        self._stream = open(self.path, "a+b")
        self._begin_hashes()
        if self._read_note():
            self._stream.seek(0)
            while chunk := self._stream.read(_CHUNK):
                self._add(chunk)
        else:
            self.restart(None)
        return self

    def __exit__(self, kind, error, trace):
        try:
            self._stream.close()  # writes what is still in memory: on a full disk it fails
        finally:
            if not (self._kept and self.etag and self.count):
                self.path.unlink(missing_ok=True)
                self._note.unlink(missing_ok=True)

    def restart(self, etag: str | None):
        """Begins anew, for another version; a weak ETag counts as none."""
        self._stream.truncate(0)
        self._begin_hashes()
        self.etag = etag if etag and etag.startswith('"') else None
        if self.etag:
            write_whole(self._note, json.dumps({"etag": self.etag}))
        else:
            self._note.unlink(missing_ok=True)

    def write(self, chunk: bytes):
        """Adds what has come."""
        self._stream.write(chunk)
        self._add(chunk)

    def finish(self) -> Path:
        """Says that all has come; the file goes under another name, as nothing to be continued."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        self._kept = False
        return self.path.replace(self.path.with_suffix(".whole"))

    def discard(self):
        """Says that the content is wrong, so that it is not kept."""
        self._kept = False

    @property
    def sha256(self) -> str:
        """Of all the bytes so far, in hexadecimal digits."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> bytes:
        """Of all the bytes so far."""
        return self._md5.digest()

    def _begin_hashes(self):
        self.count = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)  # what Google's storage tells of a file

    def _add(self, chunk: bytes):
        self.count += len(chunk)
        self._sha256.update(chunk)
        self._md5.update(chunk)

    def _read_note(self) -> bool:
        try:
            self.etag = str(json.loads(self._note.read_text(encoding="utf-8"))["etag"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return True
