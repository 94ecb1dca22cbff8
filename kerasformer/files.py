"""Writing files whole: a reader, or an interruption, finds the old file or the new one."""

import contextlib
import os
from pathlib import Path


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
