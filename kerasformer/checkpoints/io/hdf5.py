"""Reading the tensors of an HDF5 file of Keras' weights, alone or inside a `.keras` file."""

import contextlib
import io
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasformer.checkpoints.io.arrays import empty_aligned, widen
from kerasformer.checkpoints.tensors import Tensors
from kerasformer.errors import UserError
from kerasformer.files import is_irregular

_MOST_OBJECTS = 100_000


class _Entry(NamedTuple):
    shape: tuple[int, ...]
    dtype: str
    file: Path


class H5Tensors(Tensors):
    """The tensors of an HDF5 file by their paths in it; made by `open_h5`."""

    def __init__(self, path: Path, start: int, size: int, entries: Mapping[str, _Entry]):
        super().__init__(entries)
        self._place = path, start, size

    def _read(self, name: str, entry: _Entry) -> np.ndarray:
        is_bfloat16 = entry.dtype == "bfloat16"
        array = empty_aligned(entry.shape, np.uint16 if is_bfloat16 else entry.dtype)
        if array.size:
            with _opened(*self._place) as file:
                file[name].read_direct(array.view("V2") if is_bfloat16 else array)
        return widen(array) if is_bfloat16 else array


@contextlib.contextmanager
def _opened(path: Path, start: int, size: int):
    """The part of a file that is an HDF5 file, opened by the library."""
    import h5py

    if is_irregular(path):
        raise UserError(f"{path} is no regular file: expected an HDF5 file of weights.")
    try:
        with open(path, "rb") as stream, h5py.File(_Part(stream, start, size), "r") as file:
            yield file
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"There is no file {path}: expected an HDF5 file of weights.") from None
    except Exception as error:  # the library has one of its own for each field of the format
        raise UserError(
            f"{path} is not a sound HDF5 file of weights ({error}): fetch or save it again."
        ) from None


def open_h5(path: str | os.PathLike, start: int = 0, size: int | None = None) -> H5Tensors:
    """Opens an HDF5 file of weights; links and filters are refused.

    Args:
        path: The file, or one that holds it as it is.
        start: Where it begins, in bytes.
        size: Its bytes; by default up to the end.

    Raises:
        UserError: It is no sound HDF5 file, or a tensor in it is not plain numbers in one piece.
    """
    path = Path(path)
    rest = path.stat().st_size - start if path.is_file() else 0
    size = rest if size is None else min(size, rest)
    with _opened(path, start, size) as file:
        return H5Tensors(path, start, size, dict(_entries(path, file, size)))


def _entries(path, file, size) -> Iterator[tuple[str, _Entry]]:
    import h5py

    pending = [("", file)]
    seen: set[int] = set()
    while pending:
        prefix, group = pending.pop()
        for key in group:
            name = f"{prefix}{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise UserError(f"{path} has the link {name!r}: expected weights without links.")
            item = group[key]
            place = h5py.h5o.get_info(item.id).addr
            if place in seen or len(seen) >= _MOST_OBJECTS:
                raise UserError(f"{path} has {name!r} twice, or too many objects to be a model.")
            seen.add(place)
            if isinstance(item, h5py.Group):
                pending.append((f"{name}/", item))
            else:
                yield name, _entry(path, name, item, size)


def _entry(path, name, dataset, size) -> _Entry:
    shape, dtype, offset = dataset.shape, dataset.dtype, dataset.id.get_offset()
    is_bfloat16 = dtype == np.dtype("V2") and dataset.attrs.get("dtype") == "bfloat16"
    if shape is None or not (is_bfloat16 or (dtype.kind in "fiub" and dtype.itemsize <= 8)):
        raise UserError(f"{name!r} in {path} is no array of numbers.")
    length = math.prod(shape) * dtype.itemsize
    if length == 0:
        offset = 0
    # Tensors in pieces, compressed, virtual, in other files or in the directory have no offset.
    if offset is None or dataset.external or dataset.is_virtual:
        raise UserError(
            f"{name!r} in {path} is compressed, in pieces or in another file: save the model again "
            "with Keras, which writes each tensor in one piece."
        )
    if offset + length > size:
        raise UserError(f"{name!r} in {path} would end beyond the file: it is cut short.")
    return _Entry(shape, "bfloat16" if is_bfloat16 else dtype.name, path)


class _Part(io.RawIOBase):
    """A part of an open file as a file."""

    def __init__(self, stream, start: int, size: int):
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self):
        return self._at

    def readinto(self, buffer):
        view = memoryview(buffer).cast("B")
        self._stream.seek(self._start + self._at)
        # h5py does not look at the count: what is missing would be left as it was in memory.
        if self._at + len(view) > self._size or self._stream.readinto(view) < len(view):
            raise EOFError("it ends too early")
        self._at += len(view)
        return len(view)
