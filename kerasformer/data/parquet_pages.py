"""The sizes of a Parquet file's pages, read before any of them is unpacked.

A reader holds a whole page, whatever its size, and a page of zeros takes a thousandth of that on
disk. The sizes stand in the headers of the pages, which are structs of Thrift's compact protocol:
https://parquet.apache.org/docs/file-format/data-pages/.
"""

from collections.abc import Iterator
from typing import BinaryIO

_HEADER = 1 << 12  # bytes read for the header of a page, which may hold statistics; at first
_LARGEST_HEADER = 1 << 24  # Arrow's own limit
_DEPTH = 16  # of structs and lists in each other; those of a page header have 3
_MOST_BYTES = 10  # of an integer


def page_sizes(stream: BinaryIO, start: int, length: int) -> Iterator[int]:
    """The bytes that each page of a column chunk unpacks to, by where the chunk is in the file.

    A ValueError where there are no such headers.
    """
    end = start + length
    while start < end:
        unpacked, packed, header = _sizes(stream, start, end)
        yield unpacked
        start += header + packed


def _sizes(stream, start, end):
    """The two sizes of a page, in `_HEADER` bytes or as many more as it takes, and the header's."""
    size = _HEADER
    while True:
        stream.seek(start)
        header = _Struct(stream.read(min(size, end - start)))
        try:
            fields = header.read()
        except IndexError:
            if size >= min(_LARGEST_HEADER, end - start):
                raise ValueError("the header of a page is cut off") from None
            size *= 16
            continue
        unpacked, packed = fields.get(2, -1), fields.get(3, -1)
        if unpacked < 0 or packed < 0:
            raise ValueError("a page has no size")
        return unpacked, packed, header.place


class _Struct:
    """A struct of the compact protocol, of which the integers are kept; `place` is behind it.

    An IndexError where the bytes end within it.
    """

    def __init__(self, content: bytes):
        self._bytes, self.place = content, 0

    def read(self, depth: int = _DEPTH) -> dict[int, int]:
        """The integers in the fields of the struct, by the ids of the fields."""
        fields: dict[int, int] = {}
        number = 0
        while byte := self._take():
            step, kind = byte >> 4, byte & 15
            number = number + step if step else self._integer()
            if kind in (4, 5, 6):
                fields[number] = self._integer()
            elif kind not in (1, 2):  # a bool has no bytes of its own
                self._skip(kind, depth)
        return fields

    def _take(self):
        self.place += 1
        return self._bytes[self.place - 1]

    def _unsigned(self):
        value = 0
        for index in range(_MOST_BYTES):
            byte = self._take()
            value |= (byte & 127) << 7 * index
            if byte < 128:
                return value
        raise ValueError("the header of a page holds an endless number")

    def _integer(self):
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)

    def _skip(self, kind, depth):
        if kind in (1, 2, 3):
            self.place += 1
        elif kind in (4, 5, 6):
            self._unsigned()
        elif kind == 7:
            self.place += 8
        elif kind == 8:
            length = self._unsigned()
            self.place += length
        elif kind in (9, 10) and depth:
            byte = self._take()
            count = byte >> 4 if byte >> 4 < 15 else self._unsigned()
            for _ in range(count):
                if self.place >= len(self._bytes):
                    raise IndexError
                self._skip(byte & 15, depth - 1)
        elif kind == 12 and depth:
            self.read(depth - 1)
        else:
            raise ValueError("a page has no header")
