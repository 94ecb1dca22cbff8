"""Reading small files as data, and writing files atomically, as the only writer."""

import contextlib
import datetime
import errno
import hashlib
import json
import math
import os
import re
import secrets
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasformer.errors import UserError

LOCK = ".lock"
RESULTS = Path("results")
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{16}\.unfinished", re.DOTALL)
_MAX_TEXT = 2**26  # bytes; the largest tokenizer.json of a published model has about 2**25
_NPY = b"\x93NUMPY\x01\x00"  # the magic bytes and the version
_NPY_HEADER = re.compile(
    rb"\{'descr': '([<|][biuf][1248])', 'fortran_order': False, 'shape': \(([\d, ]{,99})\), \} *\n"
)
_JSON_KINDS = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


def is_irregular(path: str | os.PathLike) -> bool:
    """Whether a pipe, a device or a folder is in a file's place: it is waited for, or has no end.

    >>> is_irregular("/dev/null"), is_irregular("no-such-file")
    (True, False)
    """
    return os.path.exists(path) and not os.path.isfile(path)


def expanded(path: str | os.PathLike) -> Path:
    """A path with the home folder for its `~`; that of an unknown user is left as it is.

    >>> expanded("~no-such-user/texts")
    PosixPath('~no-such-user/texts')
    """
    return Path(os.path.expanduser(path))


def read_text(path: Path) -> str:
    """Reads UTF-8 text, with or without a byte order mark; every line end becomes `\\n`.

    Raises:
        UserError: The file is missing, no regular file, over 64 MiB, or not UTF-8.
    """
    try:
        if not path.exists():
            raise UserError(f"There is no file {path}.")
        if is_irregular(path):
            raise UserError(f"{path} is no regular file: give the path of a text file.")
        with open(path, "rb") as stream:
            content = stream.read(_MAX_TEXT + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > _MAX_TEXT:
        raise UserError(f"{path} is larger than {_MAX_TEXT >> 20} MiB: expected a smaller file.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8, or fetch it again."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_json(
    text: str | bytes, source, kind: type = dict, remedy: str = "save or fetch it again"
) -> Any:
    """Parses JSON whose outermost value is a `kind`; a `UserError` names `source` otherwise."""
    try:
        value = json.loads(text)
        plain = text if isinstance(text, str) else text.decode("latin-1")
        if "\\u" in plain:  # half of a surrogate pair, as that is valid JSON, but no text
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # of 5,000 digits too
        raise UserError(f"{source} is not valid JSON ({error}): {remedy}.") from None
    if not isinstance(value, kind):
        found = _JSON_KINDS.get(type(value), "number")
        raise UserError(f"{source} holds a JSON {found}: expected an {_JSON_KINDS[kind]}.")
    return value


def read_json(path: Path, kind: type = dict) -> Any:
    """`parse_json` of a file.

    >>> path = getfixture("tmp_path") / "config.json"
    >>> _ = path.write_text('{"hidden_size": 128}')
    >>> read_json(path)
    {'hidden_size': 128}
    """
    return parse_json(read_text(path), path, kind)


def read_optional_json(path: Path) -> dict[str, Any]:
    """`read_json` of a file that may be absent, which says as much as an empty object.

    A link to nowhere is not absent: what it was to say is unknown, and a `UserError`.
    """
    return read_json(path) if os.path.lexists(path) else {}


def map_array(path: Path) -> Any:
    """The array of a `.npy` file, mapped into memory; a ValueError where it is not whole.

    `numpy.load` would have Python parse the header; this reads what `numpy.save` writes of numbers.
    """
    import numpy as np

    if is_irregular(path):
        raise ValueError("it is no regular file")
    with open(path, "rb") as stream:
        start = stream.read(10)
        length = int.from_bytes(start[8:], "little")
        header = re.fullmatch(_NPY_HEADER, stream.read(length)) if start[:8] == _NPY else None
    if header is None:
        raise ValueError("its header is not that of an array")
    dtype, sizes = np.dtype(header[1].decode()), header[2].replace(b",", b" ").split()
    shape = tuple(map(int, sizes))
    expected = 10 + length + dtype.itemsize * math.prod(shape)
    if path.stat().st_size != expected:
        raise ValueError(f"it has {path.stat().st_size:,} bytes, not {expected:,}")
    return np.memmap(path, dtype, "r", 10 + length, shape)


@contextlib.contextmanager
def open_whole(path):
    """A binary stream to a temporary file beside the path, renamed there at the end.

    After any error nothing is left beside it.
    """
    path = Path(path)
    # Not the process's id, which containers that share a folder share too.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.unfinished")
    try:
        with open(beside, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())  # or a crash could leave the new name with nothing in it
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_whole(path, content: str | bytes) -> Path:
    """Writes bytes, or text as UTF-8, atomically; returns the path.

    >>> import tempfile
    >>> write_whole(Path(tempfile.mkdtemp(), "note.txt"), "whole").read_text()
    'whole'
    """
    with open_whole(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
    return Path(path)


@contextlib.contextmanager
def writing(path, remedy: str = "give another --output"):
    """Turns an OSError into a `UserError` about a path that cannot be written, and its remedy."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path} cannot be written ({reason}): {remedy}.") from None


@contextlib.contextmanager
def path_errors():
    """Turns an OSError that names a path, such as one that may not be read, into a `UserError`.

    >>> with path_errors():
    ...     os.stat("no-such-file")
    Traceback (most recent call last):
    ...
    kerasformer.errors.UserError: no-such-file cannot be used (No such file or directory): check \
the path and its permissions, or give another.
    """
    try:
        yield
    except OSError as error:
        path = error.filename
        if not (isinstance(path, str | bytes | os.PathLike) and error.strerror):
            raise
        raise UserError(
            f"{os.fsdecode(path)} cannot be used ({error.strerror}): check the path "
            "and its permissions, or give another."
        ) from None


@contextlib.contextmanager
def locked(folder, what: str, patience: float = 0):
    """Creates a folder and holds its lock, which ends with this process, whatever ends it.

    What killed writers left of single files is removed.

    Args:
        folder: The folder.
        what: What writes, for the message.
        patience: Seconds to wait for another writer.

    Raises:
        UserError: Another process or thread holds it.
        OSError: The folder cannot be written to.
    """
    import filelock

    folder = Path(folder)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=patience)
    except filelock.Timeout:
        raise UserError(
            f"Another {what} is writing to {folder}; wait for it, or give another "
            f"{'folder' if patience else '--output'}."
        ) from None
    try:
        for path in list(folder.iterdir()):
            if _UNFINISHED.fullmatch(path.name):
                path.unlink(missing_ok=True)
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink()  # while it is held: who waits for it sees that it is gone
        lock.release()
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()  # succeeds only where nothing was written


def write_array(path: Path, array) -> None:
    """Writes an array atomically, as `numpy.save` does."""
    import numpy as np

    with open_whole(path) as stream:
        # Not to the file, which numpy would have C write to: its errors of a full disk say nothing.
        np.save(types.SimpleNamespace(write=stream.write), array, allow_pickle=False)


@contextlib.contextmanager
def only_writer(folder, what: str):
    """Creates a folder and holds its lock, so that no two processes write to it.

    Raises:
        UserError: Another process, called `what` in the message, holds it; or it cannot be written.
    """
    with contextlib.ExitStack() as held:
        with writing(folder):
            held.enter_context(locked(folder, what))
        yield


def new_folder(command: str, name: str) -> Path:
    """A folder under `results/` that no other run has; not created yet.

    >>> new_folder("compare", "my reviews").name[:19]
    'compare-my-reviews-'
    """
    name = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:40] or "data"
    return RESULTS / f"{command}-{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def refuse_used(folder: Path | None, remedy: str = "", leftovers: Iterable[str] = ()):
    """Refuses an output folder that is a file or not empty; `remedy` ends the message.

    What a run leaves that was killed before its first result, its lock and `leftovers`, is nothing.
    """
    with path_errors():
        if folder is None or not folder.exists():
            return
        if not folder.is_dir():
            raise UserError(f"The output {folder} is a file; give a folder.")
        names = [path.name for path in folder.iterdir()]
    nothing = {LOCK, *leftovers}
    if any(name not in nothing and not _UNFINISHED.fullmatch(name) for name in names):
        raise UserError(f"The output folder {folder} is not empty; give another{remedy}.")


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, as 64 hexadecimal digits."""
    if is_irregular(path):
        raise OSError(errno.EINVAL, "no regular file", os.fspath(path))
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
