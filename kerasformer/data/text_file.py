"""How text files and their tables are written; and their lines, to be read from any place."""

import codecs
import contextlib
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from kerasformer.errors import UserError
from kerasformer.files import is_irregular
from kerasformer.text.texts import LONGEST_TEXT

# Bytes of a line or of a CSV record: JSON may write a byte of a text in six.
LONGEST_ROW = 8 * LONGEST_TEXT
# What unpacks to more, and to more than so many times its size, is no file of texts: they are
# seldom compressed to less than a tenth, and never to a hundredth.
_UNPACKED_BYTES, _UNPACKED_TIMES = 1 << 26, 100
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", r"\t": "\t", "pipe": "|"}
# Longest first: UTF-32's mark begins with UTF-16's.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_STATEFUL = ("utf_7", "utf-7", "hz", "iso2022")  # a line cannot be decoded without those before it


@dataclass(frozen=True)
class Dialect:
    r"""How files of texts are written; None is detected for each file.

    `header` is whether the first row of a CSV or TSV file names the columns, `delimiter` a
    character or one of "comma", "semicolon", "tab", "pipe"; `encoding` is by default that of the
    byte-order mark, else UTF-8.

    >>> Dialect(delimiter="tab", encoding="Latin-1")
    Dialect(header=None, delimiter='\t', encoding='iso8859-1')
    """

    header: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None

    def __post_init__(self):
        if self.delimiter is not None:
            delimiter = _DELIMITERS.get(self.delimiter, self.delimiter)
            if len(delimiter) != 1 or delimiter in '"\r\n':
                raise UserError(
                    f"The delimiter is {self.delimiter!r}: give one character, or one of comma, "
                    "semicolon, tab, pipe."
                )
            object.__setattr__(self, "delimiter", delimiter)
        if self.encoding is not None:
            object.__setattr__(self, "encoding", _codec(self.encoding))

    def given(self) -> list[str]:
        """The names of the attributes that are not None."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]


def _codec(encoding):
    """Python's name of an encoding."""
    try:
        "".encode(encoding)  # fails for codecs that are not of text, too
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        name = "unknown"
    if name == "unknown" or name.startswith(_STATEFUL):
        raise UserError(
            f"The encoding {encoding!r} cannot be read: give one such as utf-8, utf-16, cp1252 or "
            "latin-1."
        )
    # The file's mark, where there is one, says which of them it is.
    return {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name)


def sniff_encoding(beginning: bytes, encoding: str | None) -> tuple[str, int]:
    """The encoding of a file by its first four bytes, and the length of its byte-order mark."""
    for mark, name in _MARKS.items():
        if beginning.startswith(mark):
            return name, len(mark)
    return encoding or "utf-8", 0


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
    the place of the line that was read last, `next` that of the line after it. With `most`
    characters, a longer line comes in parts of so many, and else is refused.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.txt")
    >>> _ = path.write_bytes("é\r\nb\n".encode())
    >>> lines = TextLines(path)
    >>> [(line, lines.here.offset) for line in lines]
    [('é\r\n', 0), ('b\n', 4)]
    >>> list(TextLines(path, Place(number=2, offset=4)))
    ['b\n']
    """

    def __init__(
        self,
        path: Path,
        start: Place = BEGINNING,
        encoding: str | None = None,
        most: int | None = None,
    ):
        self._path, self._encoding, self._most = path, encoding, most
        self.here = self.next = start

    def __iter__(self) -> Iterator[str]:
        with reading(self._path), open_bytes(self._path) as stream:
            most = most_unpacked(self._path)
            number, offset = self.next
            encoding, mark = sniff_encoding(stream.read(4), self._encoding)
            offset = offset or mark
            stream.seek(offset)
            try:
                for line in _lines(stream, encoding, self._most):
                    where = f"{self._path}, line {number}"
                    if "\0" in line:
                        raise UserError(
                            f"{where}, holds a NUL byte: give the file's encoding (--encoding), "
                            "such as utf-16, or save it as UTF-8 text."
                        )
                    self.here = self.next
                    number += self._most is None or line.endswith(("\r", "\n"))
                    is_bytes = encoding == "utf-8" and line.isascii()
                    offset += len(line if is_bytes else line.encode(encoding))
                    if offset - self.here.offset > LONGEST_ROW:
                        raise row_too_long(where)
                    if offset > most:
                        raise unpacks_to_too_much(self._path)
                    self.next = Place(number, offset)
                    yield line
            except UnicodeDecodeError as error:
                raise _undecodable(self._path, encoding, error) from None


def _lines(stream, encoding, most=None, **options) -> Iterator[str]:
    """The lines of a stream; of one that is too long, `most` characters or what shows it."""
    text = io.TextIOWrapper(stream, encoding, newline="", **options)
    return iter(lambda: text.readline(most or LONGEST_ROW + 1), "")


def most_unpacked(path: Path) -> int:
    """The bytes that a file may unpack to before it is taken for a decompression bomb."""
    return max(_UNPACKED_BYTES, _UNPACKED_TIMES * path.stat().st_size)


def unpacks_to_too_much(path: Path) -> UserError:
    """The error for a file that unpacks to more than `most_unpacked`."""
    return UserError(
        f"{path} unpacks to more than {_UNPACKED_TIMES} times its size: if these are texts, write "
        "them uncompressed, each once."
    )


def row_too_long(where: str) -> UserError:
    """The error for a line or a CSV record longer than `LONGEST_ROW`."""
    return UserError(
        f"{where}, is longer than {LONGEST_ROW >> 20} MiB: write a text of at most "
        f"{LONGEST_TEXT >> 20} MiB a row."
    )


def open_bytes(path: Path):
    """Opens a regular file for reading, decompressed where its name ends in `.gz`."""
    require_regular(path)
    return (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb")


def require_regular(path: Path):
    """Refuses a device or a pipe, which has no end or is waited for."""
    if is_irregular(path):
        raise UserError(f"{path} is not a regular file: save its output to one, and give that.")


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
        lines = _lines(stream, encoding, errors="surrogateescape")
        for number, line in enumerate(lines, 1):
            if wrong := re.search("[\udc80-\udcff]", line):
                where = f"byte 0x{ord(wrong[0]) - 0xDC00:02x} in line {number}"
                break
    return UserError(
        f"{path} is not {encoding.upper()} text: {where}; give its encoding (--encoding), such as "
        "cp1252 or latin-1 for files of older programs, or save it as UTF-8."
    )
