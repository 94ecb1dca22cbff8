"""The tensors of safetensors files: one file or the shards of an index read, one file written."""

import contextlib
import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from kerasformer.checkpoints.io.arrays import empty_aligned, widen
from kerasformer.checkpoints.tensors import Tensors, stamp
from kerasformer.errors import UserError
from kerasformer.files import is_irregular, open_whole, parse_json, read_json

WEIGHTS = "model.safetensors"
SHARD_INDEX = "model.safetensors.index.json"
# In the metadata of a file and in the configuration beside it: which save they are of.
SAVE_ID = "kerasformer_save_id"
_NO_ID = "0" * 32

# By numpy's names. The others (the 8-bit floats and smaller) need scales that a plain tensor lacks.
_TYPES = {
    **{f"F{bits}": f"float{bits}" for bits in (64, 32, 16)},
    **{f"I{bits}": f"int{bits}" for bits in (64, 32, 16, 8)},
    **{f"U{bits}": f"uint{bits}" for bits in (64, 32, 16, 8)},
    "BF16": "bfloat16",
    "BOOL": "bool",
}
FLOATS = ("float64", "float32", "float16", "bfloat16")


_THEIRS = {ours: theirs for theirs, ours in _TYPES.items()}


class _Entry(NamedTuple):
    shape: tuple[int, ...]
    dtype: str
    file: Path
    start: int  # of its first byte in the file


class SafetensorsTensors(Tensors):
    """The tensors of one or several safetensors files; made by `open_tensors`.

    The library checks the header, and the bytes are read here. The library reads through a map of
    the file: its pages count as this process's memory beside the copy, and a file that becomes
    shorter meanwhile ends the process by SIGBUS. Nor can it be told where to put the copy, see
    `io.arrays.to_tensor`. Loading 408 MiB of float32, of which 366 MiB are word embeddings, takes
    459 MiB here, 1,116 MiB by the library with the file opened anew for each tensor, and 1,482 MiB
    with the file kept open.

    Attributes:
        save_ids: Those of the files that have one.
    """

    def __init__(
        self,
        entries: Mapping[str, _Entry],
        save_ids: Iterable[str] = (),
        stamps: Mapping[Path, Any] | None = None,
    ):
        super().__init__(entries, stamps)
        self.save_ids = frozenset(save_ids)

    def _read(self, name: str, entry: _Entry) -> np.ndarray:
        is_bfloat16 = entry.dtype == "bfloat16"
        array = empty_aligned(entry.shape, np.uint16 if is_bfloat16 else entry.dtype)
        with open(entry.file, "rb") as stream:
            stream.seek(entry.start)
            if stream.readinto(array.reshape(-1).view(np.uint8).data) < array.nbytes:
                raise UserError(f"{entry.file} has become shorter while {name!r} was read.")
        return widen(array) if is_bfloat16 else array


def open_tensors(path: str | os.PathLike) -> SafetensorsTensors:
    """Opens a safetensors file, the index of a sharded one, or a folder that holds either.

    Args:
        path: `model.safetensors`, `model.safetensors.index.json`, or their folder; any other
            name of a single safetensors file will do.

    Raises:
        UserError: There is no such file, it is no sound safetensors file, or a shard of the
            index is missing, outside the folder or without a tensor that the index promises.
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
        return SafetensorsTensors(*_read_header(path))
    shard_of = _read_shard_index(path)
    headers = {shard: _read_header(path.with_name(shard)) for shard in set(shard_of.values())}
    shards = {shard: entries for shard, (entries, *_) in headers.items()}
    for name, shard in shard_of.items():
        if name not in shards[shard]:
            raise UserError(f"{shard} lacks the tensor {name!r} that {path} says it holds.")
    return SafetensorsTensors(
        {name: shards[shard][name] for name, shard in shard_of.items()},
        itertools.chain.from_iterable(save_ids for _, save_ids, _ in headers.values()),
        dict(itertools.chain.from_iterable(found.items() for *_, found in headers.values())),
    )


def _read_header(path: Path) -> tuple[dict[str, _Entry], list[str], dict[Path, Any]]:
    """What a file says of its tensors, the id of its save, if it has one, and its stamp."""
    stamps = {path: stamp(path)}  # first: a file that replaces it is of another save
    try:
        if is_irregular(path):
            raise ValueError("it is no regular file")
        # The library checks that the header is whole, and that shapes and offsets fit each other
        # and the file; what it then says can be believed.
        with safe_open(path, framework="numpy"), open(path, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = parse_json(stream.read(length), path)
    except FileNotFoundError:
        raise UserError(f"There is no file {path}: expected a safetensors file.") from None
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(
            f"{path} is not a sound safetensors file ({error}): fetch or write it again."
        ) from None
    save_id = header.pop("__metadata__", {}).get(SAVE_ID)
    entries = {
        name: _Entry(
            tuple(entry["shape"]),
            _TYPES.get(entry["dtype"], entry["dtype"]),
            path,
            8 + length + entry["data_offsets"][0],
        )
        for name, entry in header.items()
    }
    return entries, [save_id] if save_id else [], stamps


def _read_shard_index(path: Path) -> dict[str, str]:
    """The index of a sharded model: for each tensor's name the file beside it that has it."""
    try:
        shard_of = read_json(path)["weight_map"]
        shards = set(shard_of.values())
    except (KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is no index of safetensors files: expected JSON with a weight_map."
        ) from None
    for shard in shards:
        if not re.fullmatch(r"\w[\w.-]*\.safetensors", str(shard), flags=re.ASCII):
            raise UserError(f"{path} names {shard!r}: expected a .safetensors file beside it.")
    return shard_of


class PendingTensor(NamedTuple):
    """A tensor to be written: its name, its type as Keras calls it, its shape, how to get it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    value: Callable[[], np.ndarray]


@contextlib.contextmanager
def writing_tensors(
    path: Path,
    tensors: Iterable[PendingTensor],
    described: str = "",
    dtypes: Collection[str] = FLOATS,
) -> Iterator[str]:
    """Writes a safetensors file, one tensor after another, and puts it in place at the end.

    Each tensor is asked for when its turn has come. The library's `save_file` takes all at once,
    and most of ours are transposed copies: to save BERT base takes 179 MiB of memory here, and
    402 MiB with it. Yields once all is written beside the place; what fails then leaves the old
    file there.

    Yields the id of the save, the start of the sha256 over the tensors and `described`: the same
    model has the same one. It is in the file's metadata too.

    Args:
        path: The file.
        tensors: The tensors.
        described: What else the id is of.
        dtypes: The types that are no mistake; by default those of weights.

    Raises:
        UserError: A tensor is of another type.
        OSError: The file cannot be written.
    """
    tensors = list(tensors)
    for tensor in tensors:
        if tensor.dtype not in dtypes:
            raise UserError(
                f"{tensor.name} is of type {tensor.dtype}, and only floating-point weights can be "
                f"written to {path}."
            )
    # As if written by torch: transformers looks at it.
    header: dict[str, Any] = {"__metadata__": {"format": "pt", SAVE_ID: _NO_ID}}
    end = 0
    # The widest first, as the library does it: then each is aligned to its own width.
    tensors = sorted(tensors, key=lambda tensor: (-_width(tensor.dtype), tensor.name))
    for name, dtype, shape, _ in tensors:
        start, end = end, end + math.prod(shape) * _width(dtype)
        header[name] = {"dtype": _THEIRS[dtype], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256(text + described.encode())
    with open_whole(path) as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            content = np.ascontiguousarray(tensor.value()).reshape(-1).view(np.uint8)
            digest.update(content.data)
            stream.write(content)
        save_id = digest.hexdigest()[: len(_NO_ID)]
        stream.seek(8 + text.index(_NO_ID.encode()))
        stream.write(save_id.encode())
        yield save_id


def _width(dtype: str) -> int:
    """The bytes of a number."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def is_as_written(path: Path, save_id: str) -> bool:
    """Whether a sound file is to the bit what `writing_tensors` wrote, undescribed, under an id."""
    with open(path, "rb") as stream:
        text = stream.read(int.from_bytes(stream.read(8), "little"))
        digest = hashlib.sha256(text.replace(save_id.encode(), _NO_ID.encode(), 1))
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[: len(_NO_ID)] == save_id
