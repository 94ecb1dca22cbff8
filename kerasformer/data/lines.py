"""The lines of text files, with their places, so that reading can begin at any of them."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kerasformer.errors import UserError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Place(NamedTuple):
    """Where a row of a file begins.

    Attributes:
        number: Its number as errors count it, from 1: of its first line, or of the row.
        offset: The bytes in front of it, decompressed; 0 in formats that are not text.
    """

    number: int
    offset: int = 0


BEGINNING = Place(1)


class Lines:
    r"""The lines of a UTF-8 file, also compressed by gzip, with their ends as they are.

    A line ends with `\n`, `\r\n` or `\r`. A byte-order mark is no part of the first one.

    Args:
        path: The file.
        start: The place of the first line to read.

    Attributes:
        here: The place of the line that was given last.
        next: The place of the line after it.

    Raises:
        UserError: While reading: the file cannot be read, is no UTF-8 text, or holds a NUL.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.txt")
    >>> _ = path.write_bytes("é\r\nb\n".encode())
    >>> lines = Lines(path)
    >>> [(line, lines.here.offset) for line in lines]
    [('é\r\n', 0), ('b\n', 4)]
    >>> list(Lines(path, Place(number=2, offset=4)))
    ['b\n']
    """

    def __init__(self, path: Path, start: Place = BEGINNING):
        self._path = path
        self.here = self.next = start

    def __iter__(self) -> Iterator[str]:
        with reading(self._path), open_bytes(self._path) as stream:
            number, offset = self.next
            if not offset and stream.read(3) == _BYTE_ORDER_MARK:
                offset = 3
            stream.seek(offset)
            for line in io.TextIOWrapper(stream, encoding="utf-8", newline=""):
                if "\0" in line:
                    raise UserError(
                        f"{self._path}, line {number}, holds a NUL byte: save the file as UTF-8 "
                        "text."
                    )
                self.here = self.next
                number += 1
                offset += len(line) if line.isascii() else len(line.encode())
                self.next = Place(number, offset)
                yield line


def open_bytes(path: Path):
    """Opens a file for reading, decompressed where its name ends in `.gz`."""
    return (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb")


@contextmanager
def reading(path: Path):
    """Turns what goes wrong while a file is read into one sentence.

    Args:
        path: The file.

    Raises:
        UserError: It cannot be read, is no UTF-8 text (the line is named), or no whole gzip file.
    """
    try:
        yield
    except UnicodeDecodeError:
        line, byte = _first_undecodable(path)
        raise UserError(
            f"{path} is not UTF-8 text: byte 0x{byte:02x} in line {line}; save the file as UTF-8."
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} is no whole gzip file ({error}): fetch or compress it again."
        ) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror or error}): check its permissions."
        ) from None


def _first_undecodable(path) -> tuple[int, int]:
    """The number of the first line that is not UTF-8, and its first wrong byte."""
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start]
    raise AssertionError("decodable after all: the file has changed while it was read")
