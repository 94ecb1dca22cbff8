"""Where the pages of a Parquet file are and how large, read before any of them is unpacked.

A reader holds a whole page, whatever its size, and a page of zeros takes a thousandth of that on
disk. All stands in structs of Thrift's compact protocol, in the file's footer and before each page:
https://parquet.apache.org/docs/file-format/metadata/. Arrow does not tell the sizes of pages, and
ends the process where it is asked for the columns of some damaged footers.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

_HEADER = 1 << 12  # bytes read for the header of a page, which may hold statistics; at first
_LARGEST_HEADER = 1 << 24  # Arrow's own limit
_LARGEST_FOOTER = 1 << 24
_DEPTH = 16  # of structs and lists in each other; Parquet's have half of that
_MOST_BYTES = 10  # of an integer
_KINDS = (5, 7, 8)  # the fields of a page's header that describe values: data, dictionary, data


class Chunk(NamedTuple):
    """A column of a row group: the path of its name, and the place and the length of its pages."""

    path: str
    start: int
    length: int


class RowGroup(NamedTuple):
    """A row group: how many rows it has, and its columns."""

    rows: int
    chunks: list[Chunk]


def row_groups(stream: BinaryIO) -> list[RowGroup]:
    """The row groups of a Parquet file; a ValueError where its footer is not sound."""
    size = stream.seek(0, 2)
    stream.seek(max(size - 8, 0))
    length = int.from_bytes(stream.read(4), "little")
    if length > min(size - 8, _LARGEST_FOOTER):
        raise ValueError("its footer is cut off, or too large")
    stream.seek(size - 8 - length)
    try:
        footer = _Thrift(stream.read(length)).struct()
        groups = footer.get(4, [])
        return [RowGroup(_size(group[3]), list(map(_chunk, group[1]))) for group in groups]
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError):
        raise ValueError("its footer is damaged") from None


def _chunk(column):
    described = column[3]
    path = b".".join(described[3]).decode()
    start = min(_size(described[9]), _size(described.get(11) or described[9]))
    return Chunk(path, start, _size(described[7]))


def _size(value):
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError("it has a place or a size that cannot be")
    return value


def page_sizes(stream: BinaryIO, chunk: Chunk) -> Iterator[int]:
    """The bytes that each page of a column chunk unpacks to.

    A ValueError where there are no such headers.
    """
    for fields in _headers(stream, chunk):
        yield _size(fields.get(2))


def page_values(stream: BinaryIO, chunk: Chunk) -> Iterator[int]:
    """How many values each page of a column chunk has, in lists or by themselves, those of a
    dictionary included.

    A ValueError where there are no such headers.
    """
    for fields in _headers(stream, chunk):
        kind = next((fields[key] for key in _KINDS if key in fields), None)
        yield _size(kind.get(1)) if isinstance(kind, dict) else 0


def _headers(stream, chunk):
    """The fields of the header of each page."""
    start, end = chunk.start, chunk.start + chunk.length
    while start < end:
        fields, length = _header(stream, start, end)
        yield fields
        start += length + _size(fields.get(3))


def _header(stream, start, end):
    """A page's header, in `_HEADER` bytes or as many more as it takes, and its length."""
    size = _HEADER
    while True:
        stream.seek(start)
        header = _Thrift(stream.read(min(size, end - start)))
        try:
            fields = header.struct()
        except IndexError:
            if size >= min(_LARGEST_HEADER, end - start):
                raise ValueError("the header of a page is cut off") from None
            size *= 16
            continue
        return fields, header.place


class _Thrift:
    """Reads the compact protocol; `place` is behind what was read last.

    An IndexError where the bytes end, a ValueError where they are none of the protocol.
    """

    def __init__(self, content: bytes):
        self._bytes, self.place = content, 0

    def struct(self, depth: int = _DEPTH) -> dict[int, Any]:
        """The values of the fields of a struct, by the fields' ids."""
        fields: dict[int, Any] = {}
        number = 0
        while byte := self._byte():
            step, kind = byte >> 4, byte & 15
            number = number + step if step else self._integer()
            # The value of a bool is in its kind.
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind, depth):
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind in (7, 8):
            length = 8 if kind == 7 else self._unsigned()
            start, self.place = self.place, self.place + length
            if self.place > len(self._bytes):
                raise IndexError
            return self._bytes[start : self.place]
        if kind in (9, 10) and depth:
            byte = self._byte()
            count = byte >> 4 if byte >> 4 < 15 else self._unsigned()
            return [self._value(byte & 15, depth - 1) for _ in range(count)]
        if kind == 12 and depth:
            return self.struct(depth - 1)
        raise ValueError("it holds no Thrift")

    def _byte(self):
        self.place += 1
        return self._bytes[self.place - 1]

    def _unsigned(self):
        value = 0
        for index in range(_MOST_BYTES):
            byte = self._byte()
            value |= (byte & 127) << 7 * index
            if byte < 128:
                return value
        raise ValueError("it holds a number without end")

    def _integer(self):
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)
