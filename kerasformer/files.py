"""Writing files whole: a reader, or an interruption, finds the old file or the new one."""

import os
from pathlib import Path


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
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return path
