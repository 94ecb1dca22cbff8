"""Writes TensorFlow checkpoints: sound ones by TensorFlow, impossible ones byte by byte."""

import struct

import pytest

from kerasformer.checkpoints.io.tf_index import masked_crc32c

tf = pytest.importorskip("tensorflow")
protos = pytest.importorskip("tensorflow.core.protobuf.tensor_bundle_pb2")

MAGIC = bytes.fromhex("57fb808b247547db")


def save(prefix, tensors):
    """Writes a name-based checkpoint of numpy arrays, as a `tf.compat.v1.train.Saver` does."""
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    return prefix


def number(value):
    """A number in 7 bits a byte."""
    result = b""
    while value > 127:
        result, value = result + bytes([value & 127 | 128]), value >> 7
    return result + bytes([value])


def block(entries, restarts=None):
    """A block of (shared, key, value); `restarts` by default where nothing is shared."""
    body, starts = b"", []
    for shared, key, value in entries:
        if not shared:
            starts.append(len(body))
        body += number(shared) + number(len(key)) + number(len(value)) + key + value
    restarts = starts if restarts is None else restarts
    return body + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def with_trailer(content, compression=0, crc=None):
    """A block with its compression and checksum."""
    content += bytes([compression])
    return content + struct.pack("<I", masked_crc32c(content) if crc is None else crc)


def table(blocks):
    """An index of raw blocks, each given with its separator; a trailer is added to each."""
    content, handles = b"", []
    for separator, body in blocks:
        handles.append((0, separator, number(len(content)) + number(len(body))))
        content += with_trailer(body)
    meta, index = number(len(content)) + b"\0", number(len(content)) + number(len(block(handles)))
    return content + with_trailer(block(handles)) + (meta + index).ljust(40, b"\0") + MAGIC


def index(entries):
    """An index of one block, its keys sorted, of bytes or messages."""
    rows = [
        (0, key, value if isinstance(value, bytes) else value.SerializeToString())
        for key, value in sorted(entries.items())
    ]
    return table([(rows[-1][1], block(rows))])


def header(**fields):
    """The message that is the value of the empty key."""
    return protos.BundleHeaderProto(**{"num_shards": 1, **fields})


def entry(shape=(2,), size=8, offset=0, dtype=tf.float32, **fields):
    """The message about a tensor."""
    shape = {"dim": [{"size": axis} for axis in shape]}
    return protos.BundleEntryProto(
        dtype=getattr(dtype, "as_datatype_enum", dtype),
        shape=shape,
        size=size,
        offset=offset,
        **fields,
    )
