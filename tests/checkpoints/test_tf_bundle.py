import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.checkpoints.io.tf_bundle import OBJECT_GRAPH, open_tensors
from kerasformer.checkpoints.io.tf_index import masked_crc32c, read_index
from kerasformer.errors import UserError

from . import tf_files

tf = pytest.importorskip("tensorflow")
trackable_object_graph_pb2 = pytest.importorskip(
    "tensorflow.core.protobuf.trackable_object_graph_pb2"
)
pytestmark = pytest.mark.backend("tensorflow")

DTYPES = ("float64", "float32", "float16", "bool", "int64", "int32", "int16", "int8", "uint8")
DATA = ".data-00000-of-00001"


@pytest.fixture
def prefix(tmp_path):
    return tmp_path / "model.ckpt"


def write(prefix, entries, data=b"\0" * 64, **header):
    """A checkpoint whose index says what it is told to."""
    entries = {b"": tf_files.header(**header)} | entries
    Path(f"{prefix}.index").write_bytes(tf_files.index(entries))
    Path(f"{prefix}{DATA}").write_bytes(data)
    return prefix


# What is read


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (3, 0, 2), (2, 3, 5)])
def test_every_type_and_shape(prefix, dtype, shape):
    array = np.random.default_rng(3).integers(0, 2, shape).astype(dtype)
    tensors = open_tensors(tf_files.save(prefix, {"a/b": array, "z": np.zeros(3)}))
    assert list(tensors) == ["a/b", "z"]
    assert len(tensors) == 2
    assert tensors.shape("a/b") == shape
    assert tensors.dtype("a/b") == dtype
    assert tensors.file("a/b") == Path(f"{prefix}{DATA}")
    assert tensors["a/b"].dtype == dtype
    np.testing.assert_array_equal(tensors["a/b"], array)


def test_bfloat16_comes_as_float32(prefix):
    array = np.arange(7).astype(ml_dtypes.bfloat16) / 3
    tensors = open_tensors(tf_files.save(prefix, {"a": tf.constant(array)}))
    assert tensors.dtype("a") == "bfloat16"
    assert tensors["a"].dtype == "float32"
    np.testing.assert_array_equal(tensors["a"], array.astype("float32"))


def test_a_tensor_lies_where_tensorflow_takes_it_without_a_copy(prefix):
    tensor = open_tensors(tf_files.save(prefix, {"a": np.ones((37, 5))}))["a"]
    assert tensor.ctypes.data % 64 == 0
    assert tensor.flags.writeable
    assert tensor.flags.c_contiguous


def test_also_while_a_graph_is_built(prefix):
    tensors = open_tensors(tf_files.save(prefix, {"a": np.arange(3)}))

    @tf.function
    def call():
        assert isinstance(tensors["a"], np.ndarray)
        return tf.constant(tensors["a"])

    assert call().numpy().tolist() == [0, 1, 2]


def test_several_files(tmp_path, prefix):
    shards = [tf_files.save(tmp_path / f"part{i}", {f"t{i}": np.full(4, i)}) for i in range(3)]
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=[str(shard) for shard in shards], destination_prefix=str(prefix)
    )
    tensors = open_tensors(prefix)
    assert {tensors.file(name).name[-19:] for name in tensors} == {
        f"data-0000{i}-of-00003" for i in range(3)
    }
    for i in range(3):
        np.testing.assert_array_equal(tensors[f"t{i}"], np.full(4, i))
    tensors.file("t1").unlink()
    with pytest.raises(UserError, match=r"There is no file .*data-00001-of-00003, in which"):
        open_tensors(prefix)


def test_variables_have_their_names_where_these_are_their_own(prefix):
    class Model(tf.Module):
        def __init__(self):
            self.kernel = tf.Variable([1.0], name="dense/kernel")
            self.twin = tf.Variable([2.0], name="twin/kernel")
            self.other_twin = tf.Variable([3.0], name="twin/kernel")
            self.plain = tf.Variable(4.0)

    tensors = open_tensors(tf.train.Checkpoint(model=Model()).write(str(prefix)))
    value = ".ATTRIBUTES/VARIABLE_VALUE"
    assert {name: tensors[name].tolist() for name in tensors if name != OBJECT_GRAPH} == {
        "dense/kernel": [1.0],
        f"model/twin/{value}": [2.0],
        f"model/other_twin/{value}": [3.0],
        f"model/plain/{value}": 4.0,
    }
    with pytest.raises(UserError, match=f"'{OBJECT_GRAPH}'.*type string"):
        _ = tensors[OBJECT_GRAPH]


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(
        st.text("ab/_é0.", min_size=1, max_size=40), st.integers(0, 200), min_size=1, max_size=80
    )
)
def test_names_and_values_are_those_that_tensorflow_reads(sizes):
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(len(sizes))
        arrays = {name: rng.normal(size=size) for name, size in sizes.items()}
        prefix = tf_files.save(f"{folder}/c", arrays)
        ours, theirs = open_tensors(prefix), tf.train.load_checkpoint(prefix)
        shapes = theirs.get_variable_to_shape_map()
        assert {name: list(ours.shape(name)) for name in ours} == shapes
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs.get_tensor(name))
            np.testing.assert_array_equal(ours[name], arrays[name])


def test_an_index_of_many_blocks(prefix):
    names = [f"layer_{i}/{'very_' * 30}long/name_{i % 7}" for i in range(3000)]
    tf_files.save(prefix, {name: np.float32(i) for i, name in enumerate(names)})
    table = read_index(Path(f"{prefix}.index"))
    assert sorted(names) == [key.decode() for key in table if key]
    assert open_tensors(prefix)[names[1234]] == 1234


# What is refused


def refuses(prefix, *words):
    with pytest.raises(UserError) as error:
        open_tensors(prefix)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 500
    for word in words:
        assert word in message


def test_files_that_are_not_there(tmp_path, prefix):
    refuses(prefix, "model.ckpt.index", "no file")
    (tmp_path / "model.ckpt.index").mkdir()
    refuses(prefix, "model.ckpt.index", "no file")
    (tmp_path / "model.ckpt.index").rmdir()
    tf_files.save(prefix, {"a": np.zeros(3)})
    Path(f"{prefix}{DATA}").unlink()
    refuses(prefix, DATA, "'a'")


@pytest.mark.parametrize("keep", [0, 7, 47, 100, -1, -20])
def test_an_index_cut_off(prefix, keep):
    path = Path(f"{tf_files.save(prefix, {'a': np.zeros(3)})}.index")
    path.write_bytes(path.read_bytes()[:keep])
    refuses(prefix, "model.ckpt.index", "not a sound index")


@pytest.mark.parametrize("keep", [0, 1, 800, -1])
def test_data_cut_off(prefix, keep):
    path = Path(f"{tf_files.save(prefix, {'a': np.zeros(100), 'b': np.zeros(3)})}{DATA}")
    path.write_bytes(path.read_bytes()[:keep])
    refuses(prefix, DATA, "cut off", "'a'" if keep in (0, 1) else "'b'")


def test_every_changed_bit_of_the_data_is_found(prefix):
    arrays = {"a": np.ones(3, "float32"), "b": np.ones(2, "float16"), "c": np.ones(5, "uint8")}
    path = Path(f"{tf_files.save(prefix, arrays)}{DATA}")
    content = path.read_bytes()
    found = []
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        tensors = open_tensors(prefix)
        for name, array in arrays.items():
            try:
                np.testing.assert_array_equal(tensors[name], array)
            except UserError as error:
                found.append((name, repr(name) in str(error) and DATA in str(error)))
    assert found == [(name, True) for name in "a" * 12 + "b" * 4 + "c" * 5]


def test_every_changed_bit_of_the_index_is_found(prefix):
    path = Path(f"{tf_files.save(prefix, {'a': np.ones(3), 'b/c': np.ones(2)})}.index")
    content = path.read_bytes()
    refused = 0
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        try:
            tensors = open_tensors(prefix)
            assert {name: tensors.shape(name) for name in tensors} == {"a": (3,), "b/c": (2,)}
        except UserError:
            refused += 1
    # The rest is the padding of the footer, and an empty block before it that nobody reads.
    assert refused > len(content) - 70


HUGE = 10**18
IMPOSSIBLE = {
    "claims 10^18 numbers": tf_files.entry((HUGE,), 4 * HUGE),
    "overflows 64 bits": tf_files.entry((2**62, 2**62), 0),
    "hides a huge axis": tf_files.entry((0, 2**62, 2**62), 0),
    "has a negative axis": tf_files.entry((-1,), -4),
    "has two negative axes": tf_files.entry((-2, -1), 8),
    "has too many axes": tf_files.entry((1,) * 40, 4),
    "does not fill its bytes": tf_files.entry((3,), 8),
    "begins before the file": tf_files.entry(offset=-8),
    "ends after the file": tf_files.entry(offset=60),
    "ends far after it": tf_files.entry(offset=2**63 - 4),
    "is in another file": tf_files.entry(shard_id=1),
    "is in no file": tf_files.entry(shard_id=-1),
}


@pytest.mark.parametrize("message", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_tensor_that(prefix, message):
    refuses(write(prefix, {b"dense/kernel": message}), "model.ckpt", "'dense/kernel'")


def test_a_tensor_of_unknown_rank(prefix):
    message = tf_files.entry((), 4)
    message.shape.unknown_rank = True
    refuses(write(prefix, {b"a": message}), "model.ckpt.index", "'a'")


@pytest.mark.parametrize("dtype", [tf.string, tf.complex64, tf.qint8, 24, 0, 99, 4711])
def test_types_that_are_no_weights(prefix, dtype):
    tensors = open_tensors(write(prefix, {b"a": tf_files.entry(dtype=dtype)}))
    with pytest.raises(UserError, match=r"'a' in .*data-00000-of-00001 has the type \w+"):
        _ = tensors["a"]


def test_overlapping_tensors(prefix):
    entries = {b"a": tf_files.entry(), b"b": tf_files.entry(offset=8), b"c": tf_files.entry()}
    refuses(write(prefix, entries), "'c'", DATA, "where another tensor is")


def test_variables_in_parts(prefix):
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=["whole", "table"],
        shape_and_slices=["", "4 2 0,2:-"],
        tensors=[np.zeros(1), np.ones((2, 2))],
    )
    refuses(prefix, "model.ckpt.index", "'table'", "in parts")


def test_a_big_endian_checkpoint(prefix):
    refuses(write(prefix, {b"a": tf_files.entry()}, endianness=1), "big-endian")


@pytest.mark.parametrize("key", [b"\xff\xfe", b"a\x80"])
def test_a_name_that_is_no_text(prefix, key):
    refuses(write(prefix, {key: tf_files.entry()}), "no name of a tensor")


@pytest.mark.parametrize("value", [b"\xff", b"\x12\xff\xff\xff\xff\x7f"])
@pytest.mark.parametrize("key", [b"", b"a"])
def test_messages_that_are_none(prefix, key, value):
    Path(f"{prefix}{DATA}").write_bytes(b"\0" * 64)
    entries = {b"": tf_files.header(), b"a": tf_files.entry()} | {key: value}
    Path(f"{prefix}.index").write_bytes(tf_files.index(entries))
    refuses(prefix, "model.ckpt.index", "damaged")


E0 = tf_files.entry().SerializeToString()
H0 = tf_files.header().SerializeToString()
ROWS = [(0, b"", H0), (0, b"aa", E0), (1, b"b", E0), (0, b"c", E0)]
FOOTER = tf_files.table([(b"c", tf_files.block(ROWS))])[-48:]
BROKEN = {
    "keys out of order": tf_files.table([(b"c", tf_files.block([*ROWS[:3], (0, b"a", E0)]))]),
    "a key twice": tf_files.table([(b"c", tf_files.block([*ROWS, (0, b"c", E0)]))]),
    "a separator too small": tf_files.table([(b"b", tf_files.block(ROWS))]),
    "blocks out of order": tf_files.table([(b"c", tf_files.block(ROWS))] * 2),
    "a restart inside an entry": tf_files.table([(b"c", tf_files.block(ROWS, [0, 6]))]),
    "a restart where a key is shared": tf_files.table([(b"c", tf_files.block(ROWS, [0, 20]))]),
    "a restart beyond the entries": tf_files.table([(b"c", tf_files.block(ROWS, [0, 9999]))]),
    "no restart at the start": tf_files.table([(b"c", tf_files.block(ROWS, [9]))]),
    "no restart": tf_files.table([(b"c", tf_files.block(ROWS, []))]),
    "restarts twice": tf_files.table([(b"c", tf_files.block(ROWS, [0, 0]))]),
    "more shared than there is": tf_files.table([(b"c", tf_files.block([(3, b"aa", E0)], [0]))]),
    "an empty block": tf_files.table([(b"c", tf_files.block([]))]),
    "a block of three bytes": tf_files.table([(b"c", b"abc")]),
    "a value too long": tf_files.table([(b"c", tf_files.block([(0, b"c", b"\0" * 70_000)]))]),
    "a length beyond its block": tf_files.table([(b"c", b"\0\1\x7fa" + b"\0" * 4 + b"\1\0\0\0")]),
    "a number without end": tf_files.table([(b"c", b"\xff" * 60 + b"\0\0\0\0\1\0\0\0")]),
    "another end": tf_files.table([(b"c", tf_files.block(ROWS))])[:-1] + b"\0",
    "a handle beyond the file": b"\0" * 99 + b"\0\0\xff\xff\x7f\x7f".ljust(40, b"\0") + FOOTER[40:],
    "a handle without end": b"\xff" * 140 + FOOTER[40:],
    "a handle of itself": b"\0" * 99 + FOOTER,
    "no handle": FOOTER,
    "bytes": bytes(range(256)) * 3,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_an_index_with(prefix, content):
    Path(f"{prefix}{DATA}").write_bytes(b"\0" * 64)
    Path(f"{prefix}.index").write_bytes(content)
    refuses(prefix, "model.ckpt.index", "not a sound index")


def test_the_index_that_the_broken_ones_come_from_is_sound(prefix):
    rows = [(shared, key, H0 if value == H0 else E0) for shared, key, value in ROWS]
    Path(f"{prefix}.index").write_bytes(tf_files.table([(b"c", tf_files.block(rows))]))
    assert list(read_index(Path(f"{prefix}.index"))) == [b"", b"aa", b"ab", b"c"]


def test_a_compressed_index(prefix):
    content = tf_files.index({b"": tf_files.header(), b"a": tf_files.entry()})
    start = content.index(H0) - 3
    body = tf_files.block([(0, b"", H0), (0, b"a", E0)])
    assert content[start : start + len(body)] == body
    Path(f"{prefix}.index").write_bytes(
        tf_files.with_trailer(body, compression=1) + content[len(body) + 5 :]
    )
    refuses(prefix, "model.ckpt.index", "compressed")


def test_an_index_beyond_all_measure(prefix, monkeypatch):
    with open(f"{prefix}.index", "wb") as stream:
        stream.truncate(10**12)  # of which the disk holds nothing
    refuses(prefix, "model.ckpt.index", "bytes")


def test_names_beyond_all_measure(prefix):
    rows = [(0, b"a" * 60_000, E0)] + [(60_000 + i, b"a", E0) for i in range(2000)]
    content = tf_files.table([(b"b", tf_files.block(rows))])
    assert len(content) < 2**18
    Path(f"{prefix}.index").write_bytes(content)
    refuses(prefix, "model.ckpt.index", "not a sound index")


def text(content, lengths=None):
    """A single string as a checkpoint has it: its length, the length's checksum, its bytes."""
    length = tf_files.number(len(content) if lengths is None else lengths)
    crc = masked_crc32c(len(content).to_bytes(4, "little"))
    return length + crc.to_bytes(4, "little") + content


@pytest.mark.parametrize("lengths", [2**60, 2**63, 5, 0])
def test_an_object_graph_of_another_length(prefix, lengths):
    data = text(b"\x0a\x00" * 9, lengths)
    entries = {OBJECT_GRAPH.encode(): tf_files.entry((), len(data), dtype=tf.string)}
    refuses(write(prefix, entries, data), OBJECT_GRAPH, "no sound string")


@pytest.mark.parametrize(
    "message", [tf_files.entry(), tf_files.entry((3,), 9, dtype=tf.string)], ids=["float", "three"]
)
def test_an_object_graph_that_is_no_string(prefix, message):
    refuses(write(prefix, {OBJECT_GRAPH.encode(): message}), OBJECT_GRAPH, "no sound string")


def test_an_object_graph_of_other_bytes(prefix):
    graph = tf.constant(b"\xff\xff")
    tf_files.save(prefix, {OBJECT_GRAPH: graph})
    refuses(prefix, "object graph", "model.ckpt.index", "damaged")


def test_an_object_graph_that_names_one_key_by_the_name_of_another(prefix):
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    for key, name in {"a/b": "c/d", "c/d": "a/b", "none/such": "e/f"}.items():
        node = graph.nodes.add()
        node.attributes.add(checkpoint_key=key, full_name=name)
    arrays = {"a/b": np.array([1]), "c/d": np.array([2])}
    tf_files.save(prefix, {**arrays, OBJECT_GRAPH: tf.constant(graph.SerializeToString())})
    tensors = open_tensors(prefix)
    assert {n: tensors[n].tolist() for n in ("a/b", "c/d")} == {"a/b": [1], "c/d": [2]}
    assert len(tensors) == 3
