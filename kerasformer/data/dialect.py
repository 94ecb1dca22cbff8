"""How text files and their tables are written: encoding, delimiter, header."""

import codecs
from dataclasses import dataclass, fields

from kerasformer.errors import UserError

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
