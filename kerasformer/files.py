"""Writing files whole, so that a reader finds the old one or the new one; and as the only one."""

import contextlib
import datetime
import hashlib
import os
import re
from pathlib import Path

from kerasformer.errors import UserError

LOCK = ".lock"
RESULTS = Path("results")


@contextlib.contextmanager
def open_whole(path):
    """Opens a file beside the path to be written to, and renames it there at the end.

    Args:
        path: The file.

    Yields:
        The binary stream.

    Raises:
        OSError: It cannot be written; then, as after any error, nothing is left beside it.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
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
    """Writes a file beside its place, then renames it there.

    Args:
        path: The file.
        content: Its text, written as UTF-8 with `\\n` for line ends, or its bytes.

    Returns:
        The path.

    Raises:
        OSError: It cannot be written; nothing is left beside it.

    Example:

    >>> import tempfile
    >>> write_whole(Path(tempfile.mkdtemp(), "note.txt"), "whole").read_text()
    'whole'
    """
    with open_whole(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
    return Path(path)


@contextlib.contextmanager
def writing(path):
    """Tells in a sentence that a file of the user's choice cannot be written.

    Args:
        path: The file.

    Raises:
        UserError: In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}): give another --output."
        ) from None


@contextlib.contextmanager
def only_writer(folder, what: str):
    """Holds a folder's lock, so that no two processes write to it; it ends with the process.

    Args:
        folder: The folder, which is made where there is none.
        what: What is written to it, for the error, such as `"comparison"`.

    Raises:
        UserError: Another process holds it, or it cannot be written to.
    """
    import filelock

    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(
            f"Another {what} is writing to {folder}; wait for it, or give another --output."
        ) from None
    except OSError as error:
        raise UserError(
            f"Cannot write to {folder} ({error.strerror}); give another --output."
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink()  # while it is held: nobody else can have just taken it
        lock.release()
        with contextlib.suppress(OSError):
            folder.rmdir()  # succeeds only where nothing was written


def new_folder(command: str, name: str) -> Path:
    """A folder under `results/` that no other run has; not made yet.

    Args:
        command: The command.
        name: What it works on.

    Example:

    >>> new_folder("compare", "my reviews").name[:19]
    'compare-my-reviews-'
    """
    name = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:40] or "data"
    return RESULTS / f"{command}-{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def refuse_used(folder: Path | None, remedy: str = ""):
    """Refuses a folder to write to that holds something.

    Args:
        folder: The folder, or None.
        remedy: What else to do than to give another one.

    Raises:
        UserError: It is a file, or not empty.
    """
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"The output {folder} is a file; give a folder.")
    if any(folder.iterdir()):
        raise UserError(f"The output folder {folder} is not empty; give another{remedy}.")


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
