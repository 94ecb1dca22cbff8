"""The lines of text files, with their places, so that reading can begin at any of them."""

import contextlib
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kerasformer.data.dialect import sniff_encoding
from kerasformer.errors import UserError


class Place(NamedTuple):
    """Where a row of a file begins: its line or row, from 1, and the decompressed bytes before it.

    The bytes are 0 in formats that are not text.
    """

    number: int
    offset: int = 0


BEGINNING = Place(1)


class TextLines:
    r"""The lines of a text file, also compressed by gzip, with their ends as they are.

    A line ends with `\n`, `\r\n` or `\r`. A byte-order mark is not part of the first one. `here` is
    the place of the line that was read last, `next` that of the line after it.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.txt")
    >>> _ = path.write_bytes("é\r\nb\n".encode())
    >>> lines = TextLines(path)
    >>> [(line, lines.here.offset) for line in lines]
    [('é\r\n', 0), ('b\n', 4)]
    >>> list(TextLines(path, Place(number=2, offset=4)))
    ['b\n']
    """

    def __init__(self, path: Path, start: Place = BEGINNING, encoding: str | None = None):
        self._path, self._encoding = path, encoding
        self.here = self.next = start

    def __iter__(self) -> Iterator[str]:
        with reading(self._path), open_bytes(self._path) as stream:
            number, offset = self.next
            encoding, mark = sniff_encoding(stream.read(4), self._encoding)
            offset = offset or mark
            stream.seek(offset)
            try:
                for line in io.TextIOWrapper(stream, encoding=encoding, newline=""):
                    if "\0" in line:
                        raise UserError(
                            f"{self._path}, line {number}, holds a NUL byte: give the file's "
                            "encoding (--encoding), such as utf-16, or save it as UTF-8 text."
                        )
                    self.here = self.next
                    number += 1
                    is_bytes = encoding == "utf-8" and line.isascii()
                    offset += len(line if is_bytes else line.encode(encoding))
                    self.next = Place(number, offset)
                    yield line
            except UnicodeDecodeError as error:
                raise _undecodable(self._path, encoding, error) from None


def open_bytes(path: Path):
    """Opens a file for reading, decompressed where its name ends in `.gz`."""
    return (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb")


@contextlib.contextmanager
def reading(path: Path):
    """Turns what goes wrong while a file is read into one sentence, a `UserError`."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} is not a whole gzip file ({error}): download or compress it again."
        ) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror or error}): check its permissions."
        ) from None


def _undecodable(path, encoding, error):
    """The error for a file in another encoding; names the first line and byte where it can."""
    where = error.reason
    with open_bytes(path) as stream, contextlib.suppress(UnicodeDecodeError):
        lines = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
        for number, line in enumerate(lines, 1):
            if wrong := re.search("[\udc80-\udcff]", line):
                where = f"byte 0x{ord(wrong[0]) - 0xDC00:02x} in line {number}"
                break
    return UserError(
        f"{path} is not {encoding.upper()} text: {where}; give its encoding (--encoding), such as "
        "cp1252 or latin-1 for files of older programs, or save it as UTF-8."
    )
