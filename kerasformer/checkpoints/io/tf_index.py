"""The index of a TensorFlow checkpoint: a table of sorted keys and values, read as data.

TensorFlow's own reader ends the whole process where an index says what cannot be. What has passed
here is safe to hand to it: blocks are whole, keys and restart points in order, so that its search
for a key finds the very value that was read, and checked, here.

The format is LevelDB's, `tensorflow/core/lib/io/table_format.txt`, and it is never compressed:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/tensor_bundle/tensor_bundle.cc
"""

import bisect
import struct
from collections.abc import Iterator
from pathlib import Path

from kerasformer.errors import UserError

# BERT large with an optimizer's slots has an index of 0.2 MB. The names of a crafted one may grow
# far beyond its own size, because each leaves out what it shares with the one before it.
_MAX_SIZE, _MAX_NAMES, _MAX_VALUE = 2**22, 2**25, 2**16
_FOOTER, _TRAILER = 48, 5
_MAGIC = bytes.fromhex("57fb808b247547db")


def read_index(path: Path) -> dict[bytes, bytes]:
    """The values of an index by their keys, in the order of the keys; a UserError where the file
    is not sound.
    """
    try:
        if not path.is_file():
            raise UserError(f"There is no file {path}: expected the index of a checkpoint.")
        if path.stat().st_size > _MAX_SIZE:
            raise UserError(f"{path} has more than {_MAX_SIZE:,} bytes: it is no index of a BERT.")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return _read_table(content)
    except (ValueError, IndexError, struct.error) as error:
        raise UserError(
            f"{path} is not a sound index of a TensorFlow checkpoint ({error}): fetch or write it "
            "again."
        ) from None


def varint(content: bytes, position: int, bits: int = 32) -> tuple[int, int]:
    """A number of 7 bits a byte, and the position after it.

    Raises:
        ValueError: It has more bits than it may.
        IndexError: The content ends before it does.
    """
    value = shift = 0
    while shift < bits:
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128 and not value >> bits:
            return value, position
        shift += 7
    raise ValueError("a number is too large")


def _read_table(content: bytes) -> dict[bytes, bytes]:
    if len(content) < _FOOTER or not content.endswith(_MAGIC):
        raise ValueError("it does not end as one")
    _, _, position = _handle(content, len(content) - _FOOTER)  # of a block that is always empty
    index = _block(content, *_handle(content, position)[:2])
    table, last, total, names = {}, None, 0, 0
    for separator, handle in _entries(index):
        start, size, _ = _handle(handle, 0)
        total += size
        if total > len(content):
            raise ValueError("its blocks overlap")
        for key, value in _entries(_block(content, start, size)):
            names += len(key)
            if (last is not None and key <= last) or key > separator or names > _MAX_NAMES:
                raise ValueError("its keys are not in order")
            table[key] = value
            last = key
        last = separator
    return table


def _handle(content: bytes, position: int) -> tuple[int, int, int]:
    """Where a block starts, its size, and the position after these two numbers."""
    start, position = varint(content, position, 64)
    size, position = varint(content, position, 64)
    return start, size, position


def _block(content: bytes, start: int, size: int) -> bytes:
    """A block without its trailer, which is checked."""
    end = start + size
    if end + _TRAILER > len(content):
        raise ValueError("it ends inside a block")
    compression, checksum = struct.unpack_from("<BI", content, end)
    if checksum != masked_crc32c(content[start : end + 1]):
        raise ValueError("a checksum does not fit")
    if compression:
        raise ValueError("it is compressed")
    return content[start:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A block's keys and values; a key leaves out what it shares with the one before it."""
    (count,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 - 4 * count
    if end <= 0 or not count:
        raise ValueError("a block is empty")
    restarts = struct.unpack_from(f"<{count}I", block, end)
    whole, key, position = [], b"", 0
    while position < end:
        start = position
        shared, position = varint(block, position)
        added, position = varint(block, position)
        length, position = varint(block, position)
        value_start, next_position = position + added, position + added + length
        if shared > len(key) or next_position > end or length > _MAX_VALUE:
            raise ValueError("an entry does not fit into its block")
        key = key[:shared] + block[position:value_start]
        if not shared:
            whole.append(start)
        yield key, block[value_start:next_position]
        position = next_position
    is_whole = all(whole[bisect.bisect(whole, restart) - 1] == restart for restart in restarts)
    if restarts[0] or not is_whole or list(restarts) != sorted(set(restarts)):
        raise ValueError("its restart points are not in order")


def _table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC_TABLE = _table()


def masked_crc32c(content: bytes) -> int:
    """The checksum that TensorFlow writes behind what it writes: a rotated, shifted CRC-32C.

    Example:

    >>> hex(masked_crc32c(b"123456789"))  # CRC-32C: 0xe3069283
    '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
