"""The tensors of a TensorFlow checkpoint: `PREFIX.index` and `PREFIX.data-00000-of-00001`.

Both kinds of checkpoints are such files: the older, in which a tensor has its variable's name, and
the newer, in which it has a path through Python objects and an "object graph" has the name.

The format is that of TensorFlow's `BundleWriter` and `BundleReader`:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasformer.checkpoints.io.tf_index import read_index, varint
from kerasformer.checkpoints.tensors import READABLE, Tensors
from kerasformer.errors import UserError, require
from kerasformer.private_api import uncopied_array

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"

_SLOT = "/.OPTIMIZER_SLOT/"
_MAX_RANK, _MAX_ELEMENTS = 32, 2**48  # numpy and TensorFlow break at more
_MAX_GRAPH = 2**24  # BERT large with an optimizer has one of 2 MB


class _Entry(NamedTuple):
    key: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    size: int


class BundleTensors(Tensors):
    """The tensors of a checkpoint by name; made by `open_tensors`.

    A name is that of the variable, where the checkpoint has it, it has several parts, and no
    other has the same; otherwise it is the key in the index.
    """

    def __init__(self, prefix: Path, entries: Mapping[str, _Entry]):
        super().__init__(entries)
        self._prefix = prefix

    def _read(self, name: str, entry: _Entry) -> np.ndarray:
        import tensorflow as tf

        tensor = self._restore(name)
        if entry.dtype == "bfloat16":
            tensor = tf.cast(tensor, tf.float32)
        return uncopied_array(tensor)  # which nobody else holds

    def read_bytes(self, name: str) -> bytes:
        """A tensor that is a single string.

        Raises:
            UserError: It is none, or is damaged.
        """
        entry = self._entries[name]
        try:
            with open(entry.file, "rb") as stream:
                stream.seek(entry.start)
                head = stream.read(min(entry.size, 10))
            # Its length, the length's checksum, and its bytes. TensorFlow believes the length.
            length, start = varint(head, 0, 64)
            is_sound = start + 4 + length == entry.size <= _MAX_GRAPH
        except (ValueError, IndexError, OSError):
            is_sound = False
        if entry.dtype != "string" or entry.shape != () or not is_sound:
            raise UserError(f"The tensor {name!r} in {entry.file} is no sound string.")
        return self._restore(name).numpy()

    def _restore(self, name: str):
        """The tensor, its checksum compared, read at once even where a graph is being built."""
        import tensorflow as tf

        entry = self._entries[name]
        try:
            with tf.init_scope(), tf.device("CPU"):
                return tf.raw_ops.RestoreV2(
                    prefix=os.fspath(self._prefix.absolute()),
                    tensor_names=[entry.key],
                    shape_and_slices=[""],
                    dtypes=[getattr(tf, entry.dtype)],
                )[0]
        except tf.errors.OpError as error:
            raise UserError(
                f"The tensor {name!r} in {entry.file} is damaged ({type(error).__name__}): fetch "
                "or write the checkpoint again."
            ) from None


def open_tensors(prefix: str | os.PathLike) -> BundleTensors:
    """Opens a checkpoint.

    Every shape, offset and size is compared with the sizes of the files, so that reading takes no
    more memory than they have.

    Args:
        prefix: The path of its index without `.index`.

    Raises:
        UserError: A file is missing or not sound, or the checkpoint is of a kind that cannot be
            read: with variables in parts, or of a big-endian machine; or TensorFlow is not
            installed.
    """
    prefix = Path(prefix)
    require("tensorflow", what=f"the checkpoint {prefix}")
    index = prefix.with_name(f"{prefix.name}.index")
    entries = _read_entries(prefix, index)
    _check_files(entries.values(), index)
    tensors = BundleTensors(prefix, entries)
    if OBJECT_GRAPH not in entries:
        return tensors
    names = _variable_names(tensors.read_bytes(OBJECT_GRAPH), index)
    named = {_name(key, names, entries): entry for key, entry in entries.items()}
    return BundleTensors(prefix, named)


def read_messages(index: Path) -> tuple[Any, dict[bytes, Any]]:
    """The header of an index, and its entries by their keys, as protocol buffers.

    TensorFlow's own reader ends the process over an index for which this raises a UserError.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import tensor_bundle_pb2 as protos

    table = read_index(index)
    try:
        header = protos.BundleHeaderProto.FromString(table.pop(b"", b""))
        found = {key: protos.BundleEntryProto.FromString(value) for key, value in table.items()}
    except DecodeError:
        raise UserError(f"{index} is damaged: fetch or write the checkpoint again.") from None
    return header, found


def _read_entries(prefix: Path, index: Path) -> dict[str, _Entry]:
    from tensorflow.core.protobuf import tensor_bundle_pb2 as protos

    header, found = read_messages(index)
    if header.endianness != protos.BundleHeaderProto.LITTLE:
        raise UserError(f"{index} is of a big-endian machine, whose checkpoints cannot be read.")
    for key, entry in found.items():
        if entry.slices:
            raise UserError(
                f"{index} has {key.decode(errors='replace')!r} in parts (a partitioned variable), "
                "which cannot be read: save the checkpoint again from one machine."
            )
    entries = {}
    for key, entry in found.items():
        try:
            name = key.decode()
        except UnicodeDecodeError:
            raise UserError(f"{index} has {key!r}, which is no name of a tensor.") from None
        if not 0 <= entry.shard_id < header.num_shards:
            raise UserError(f"{index} has {name!r} in a file that is not of the checkpoint.")
        file = f"{prefix.name}.data-{entry.shard_id:05d}-of-{header.num_shards:05d}"
        entries[name] = _Entry(
            name,
            _dtype_name(entry.dtype),
            tuple(dim.size for dim in entry.shape.dim),
            prefix.with_name(file),
            entry.offset,
            entry.size,
        )
        if entry.shape.unknown_rank or not _is_possible(entries[name]):
            shape = list(entries[name].shape)[:8]
            raise UserError(
                f"{index} has {name!r} of shape {shape} and type {entries[name].dtype} in "
                f"{entry.size} bytes, which cannot be: fetch or write the checkpoint again."
            )
    return entries


def _dtype_name(number: int) -> str:
    import tensorflow as tf

    try:
        return tf.as_dtype(number).name
    except TypeError:
        return f"number {number}"


def _is_possible(entry: _Entry) -> bool:
    if min(entry.start, entry.size, *entry.shape) < 0 or len(entry.shape) > _MAX_RANK:
        return False
    # An axis of 0 would hide others beyond all bounds.
    if math.prod(max(1, size) for size in entry.shape) > _MAX_ELEMENTS:
        return False
    if entry.dtype not in READABLE:
        return True  # and is never read
    itemsize = 2 if entry.dtype == "bfloat16" else np.dtype(entry.dtype).itemsize
    return math.prod(entry.shape) * itemsize == entry.size


def _check_files(entries, index: Path):
    """Refuses files that are missing, and tensors that overlap or lie beyond their file's end."""
    sizes: dict[Path, int] = {}
    ends: dict[Path, int] = {}
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.size)):
        file = entry.file
        if file not in sizes:
            if not file.is_file():
                raise UserError(f"There is no file {file}, in which {index} has {entry.key!r}.")
            sizes[file] = file.stat().st_size
        end = entry.start + entry.size
        if end > sizes[file]:
            raise UserError(
                f"{file} has {sizes[file]:,} bytes, and {entry.key!r} should end at {end:,}: it is "
                "cut off, or belongs to another index."
            )
        if entry.start < ends.get(file, 0):
            raise UserError(f"{index} has {entry.key!r} in {file} where another tensor is.")
        ends[file] = end


def _variable_names(graph: bytes, index: Path) -> dict[str, str]:
    """The names of variables by their keys, where no other has the same, unlike `Variable`.

    An optimizer's slots are left out: those of another model might be called like its weights.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    try:
        nodes = TrackableObjectGraph.FromString(graph).nodes
    except DecodeError:
        raise UserError(f"The object graph of {index} is damaged: fetch it again.") from None
    keys: dict[str, set[str]] = {}
    for node in nodes:
        for attribute in node.attributes:
            key, name = attribute.checkpoint_key, attribute.full_name
            if "/" in name and _SLOT not in key and not key.startswith("optimizer/"):
                keys.setdefault(name, set()).add(key)
    return {key: name for name, (key, *others) in keys.items() if not others}


def _name(key: str, names: Mapping[str, str], entries) -> str:
    name = names.get(key, key)
    return key if name in entries else name
