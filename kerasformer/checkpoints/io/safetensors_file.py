"""The tensors of safetensors files: one file or the shards of an index read, one file written."""

import contextlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from kerasformer.errors import UserError
from kerasformer.files import open_whole

WEIGHTS = "model.safetensors"
SHARD_INDEX = "model.safetensors.index.json"

# The others (the 8-bit floats and smaller) need scales that a plain tensor does not carry.
_READABLE = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<f4",
    "BOOL": "?",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
}
# By Keras' names; the number of bytes beside each.
_WRITABLE = {
    "float64": ("F64", 8),
    "float32": ("F32", 4),
    "float16": ("F16", 2),
    "bfloat16": ("BF16", 2),
}


class Tensors(Mapping):
    """The tensors of one or several safetensors files by name; made by `open_tensors`.

    A tensor is read from its file each time that it is asked for, and not through a map of the
    file, whose pages would count as this process's memory beside the copy. bfloat16, for which
    numpy has no type, comes as float32; every other type as it is.
    """

    def __init__(self, files: Mapping[str, "_File"]):
        self._files = files

    def __getitem__(self, name: str):
        return self._files[name].read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading the tensor."""
        return self._files[name].entries[name]["shape"]

    def dtype(self, name: str) -> str:
        """A tensor's type as safetensors names it, such as `"F32"`."""
        return self._files[name].entries[name]["dtype"]

    def file(self, name: str) -> Path:
        """The file that holds a tensor."""
        return self._files[name].path


def open_tensors(path: str | os.PathLike) -> Tensors:
    """Opens a safetensors file, the index of a sharded one, or a folder that holds either.

    Args:
        path: `model.safetensors`, `model.safetensors.index.json`, or their folder; any other
            name of a single safetensors file will do.

    Returns:
        A mapping of names to numpy arrays, read when asked for.

    Raises:
        UserError: There is no such file, it is no sound safetensors file, or a shard of the
            index is missing, outside the folder or without a tensor that the index promises.

    Example:

    >>> import numpy, safetensors.numpy, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> safetensors.numpy.save_file({"bias": numpy.zeros(3)}, f"{folder}/model.safetensors")
    >>> {name: array.shape for name, array in open_tensors(folder).items()}
    {'bias': (3,)}
    """
    path = Path(path)
    if path.is_dir():
        names = [name for name in (WEIGHTS, SHARD_INDEX) if (path / name).is_file()]
        if not names:
            raise UserError(
                f"The folder {path} holds no {WEIGHTS} and no {SHARD_INDEX}: give the folder of a "
                "model in the safetensors format."
            )
        path /= names[0]
    if path.suffix != ".json":
        file = _File(path)
        return Tensors(dict.fromkeys(file.entries, file))
    shard_of = read_shard_index(path)
    shards = {shard: _File(path.with_name(shard)) for shard in sorted(set(shard_of.values()))}
    for name, shard in shard_of.items():
        if name not in shards[shard].entries:
            raise UserError(f"{shard} lacks the tensor {name!r} that {path} says it holds.")
    return Tensors({name: shards[shard] for name, shard in shard_of.items()})


def read_shard_index(path: Path) -> dict[str, str]:
    """Reads the index of a sharded model: each tensor's name to the file beside it that has it.

    Raises:
        UserError: The file is no such index, or it names a file that is not beside it.
    """
    try:
        shard_of = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        shards = set(shard_of.values())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is no index of safetensors files: expected JSON with a weight_map."
        ) from None
    for shard in shards:
        if not re.fullmatch(r"\w[\w.-]*\.safetensors", str(shard), flags=re.ASCII):
            raise UserError(f"{path} names {shard!r}: expected a .safetensors file beside it.")
    return shard_of


class Written(NamedTuple):
    """A tensor to be written: its name, its type as Keras calls it, its shape, how to get it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    value: Callable[[], np.ndarray]


@contextlib.contextmanager
def writing_tensors(path: Path, tensors: Iterable[Written]):
    """Writes a safetensors file, one tensor after another, and puts it in place at the end.

    Args:
        path: The file.
        tensors: What it is to hold. Each is asked for when its turn has come, so that there is no
            second copy of them all in memory, as in the library's own function.

    Yields:
        None, once all is written beside the place; what fails now leaves the old file there.

    Raises:
        UserError: A type is no floating-point number's.
        OSError: The file cannot be written.
    """
    tensors = list(tensors)
    for tensor in tensors:
        if tensor.dtype not in _WRITABLE:
            raise UserError(
                f"{tensor.name} is of type {tensor.dtype}, and only floating-point weights can be "
                f"written to {path}."
            )
    header, end = {"__metadata__": {"format": "pt"}}, 0  # as if by torch: transformers looks at it
    # The widest first, as the library does it: then each is aligned to its own width.
    tensors = sorted(tensors, key=lambda tensor: (-_WRITABLE[tensor.dtype][1], tensor.name))
    for name, dtype, shape, _ in tensors:
        their_dtype, width = _WRITABLE[dtype]
        start, end = end, end + math.prod(shape) * width
        header[name] = {"dtype": their_dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open_whole(path) as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            stream.write(np.ascontiguousarray(tensor.value()).reshape(-1).view(np.uint8))
        yield


def _aligned(count: int, dtype: np.dtype) -> np.ndarray:
    """An empty array that begins at a multiple of 64 bytes: TensorFlow copies others twice."""
    size = count * dtype.itemsize
    buffer = np.empty(size + 64, np.uint8)
    first = -buffer.ctypes.data % 64
    return buffer[first : first + size].view(dtype)


class _File:
    """One safetensors file, its header checked by the safetensors library."""

    def __init__(self, path: Path):
        self.path = path
        try:
            # Checks that the header is whole, and that shapes and offsets fit each other and the
            # file; what it then says can be believed.
            with safe_open(path, framework="numpy"), open(path, "rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                header = json.loads(stream.read(length))
        except FileNotFoundError:
            raise UserError(f"There is no file {path}: expected a safetensors file.") from None
        except (OSError, ValueError, RecursionError, SafetensorError) as error:
            raise UserError(
                f"{path} is not a sound safetensors file ({error}): fetch or write it again."
            ) from None
        self._data = 8 + length
        self.metadata = header.pop("__metadata__", None) or {}
        self.entries = {
            name: {**entry, "shape": tuple(entry["shape"])} for name, entry in header.items()
        }

    def read(self, name: str):
        entry = self.entries[name]
        if entry["dtype"] not in _READABLE:
            raise UserError(
                f"The tensor {name!r} of {self.path} has the type {entry['dtype']}, which cannot "
                "be read: expected 16, 32 or 64-bit floats, integers or booleans."
            )
        is_bfloat16 = entry["dtype"] == "BF16"
        dtype = np.dtype(_READABLE[entry["dtype"]])
        start = self._data + entry["data_offsets"][0]
        return read_array(self.path, start, entry["shape"], dtype, name, is_bfloat16=is_bfloat16)


def read_array(path: Path, start: int, shape, dtype: np.dtype, name: str, *, is_bfloat16=False):
    """Reads an array that lies in a file as it is, into memory that TensorFlow need not copy.

    Args:
        path: The file.
        start: The place of the array's first byte.
        shape: Its shape.
        dtype: Its type; what is bfloat16 in the file comes as float32.
        name: Its name, for messages.
        is_bfloat16: Whether it is bfloat16, for which numpy has no type.

    Returns:
        The array.

    Raises:
        UserError: The file ends before the array does.
    """
    array = _aligned(math.prod(shape), np.dtype(np.uint16) if is_bfloat16 else dtype)
    with open(path, "rb") as stream:
        stream.seek(start)
        if stream.readinto(array.view(np.uint8)) < array.nbytes:
            raise UserError(f"{path} has become shorter while {name!r} was read.")
    if is_bfloat16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.reshape(shape)
