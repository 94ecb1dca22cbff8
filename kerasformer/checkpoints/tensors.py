"""The interface of the readers of tensors, whatever the file's format."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasformer.errors import UserError

# By numpy's names. The others (strings, 8-bit floats, quantized integers...) are no weights.
READABLE = (
    *("float64", "float32", "float16", "bfloat16", "bool"),
    *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
)
# From here on a number is rounded to infinity.
_INFINITE = {
    "float16": 65520.0,
    "bfloat16": (2 - 2**-8) * 2.0**127,
    "float32": (2 - 2**-24) * 2.0**127,
}


class Tensors(Mapping[str, np.ndarray]):
    """The tensors of a checkpoint by name, each read from its file whenever it is asked for.

    bfloat16, for which numpy has no type, comes as float32; every other type as it is.

    Args:
        entries: For each name what the file's directory says: an object with `shape`, `dtype` (by
            numpy's name), `file` and what the reader of the format needs.
        stamps: What `stamp` gave of the files before their directories were read; by default what
            it gives now.
    """

    def __init__(self, entries: Mapping[str, Any], stamps: Mapping[Path, Any] | None = None):
        self._entries = entries
        if stamps is None:
            stamps = {file: stamp(file) for file in {e.file for e in entries.values()}}
        self._stamps = stamps

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._entries[name]
        if entry.dtype not in READABLE:
            raise UserError(
                f"The tensor {name!r} in {entry.file} has the type {entry.dtype}, which cannot be "
                "read: expected 16, 32 or 64-bit floats, integers or booleans."
            )
        tensor = self._read(name, entry)
        if stamp(entry.file) != self._stamps[entry.file]:  # saved anew by another process
            raise UserError(f"{entry.file} has changed while it was read: load the model again.")
        return tensor

    def read_floats(self, name: str, *dtypes: str) -> np.ndarray:
        """A tensor of finite floats, for variables or computations of these types.

        Raises:
            UserError: It is of other numbers, has a NaN or an infinite value, or one that would
                become infinite in one of the types.
        """
        tensor, file = self[name], self.file(name)
        if tensor.dtype.kind != "f":
            raise UserError(
                f"The tensor {name!r} in {file} is of type {tensor.dtype}: expected floats."
            )
        if not np.isfinite(tensor).all():
            raise UserError(
                f"The tensor {name!r} in {file} has a value that is NaN or infinite: its training "
                "has diverged, or the file is damaged."
            )
        for dtype in dtypes:
            limit = _INFINITE.get(dtype, np.inf)
            if tensor.size and max(float(tensor.max()), -float(tensor.min())) >= limit:
                raise UserError(
                    f"The tensor {name!r} in {file} has a value that is infinite in {dtype}: the "
                    "file is damaged, or needs a dtype of more range."
                )
        return tensor

    @abstractmethod
    def _read(self, name: str, entry: Any) -> np.ndarray:
        """The tensor, out of its file."""

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading it."""
        return self._entries[name].shape

    def dtype(self, name: str) -> str:
        """A tensor's type by numpy's name, such as `"float32"`, without reading it."""
        return self._entries[name].dtype

    def file(self, name: str) -> Path:
        """The file that holds a tensor."""
        return self._entries[name].file


def stamp(file: Path) -> tuple[int, ...] | None:
    """What a file that is replaced, or written to, has another one of."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
