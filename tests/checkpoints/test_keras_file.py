"""`.keras` files of our own encoder: read as data, and refused where they are anything else."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasformer import BertEncoder, EncoderConfig
from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.inspect import inspect
from kerasformer.checkpoints.io.hdf5 import open_h5
from kerasformer.errors import UserError

SIZES = {
    "vocab_size": 11,
    "hidden_size": 12,
    "num_layers": 2,
    "num_heads": 3,
    "intermediate_size": 7,
    "max_length": 9,
    "initializer_range": 0.5,
}


def make(dtype=None, **changes):
    keras.utils.set_random_seed(4)
    encoder = BertEncoder(EncoderConfig(**{**SIZES, **changes}), dtype=dtype, name="mine")
    for weight in encoder.weights:  # ones and zeros would hide a mistake
        weight.assign(keras.random.normal(weight.shape, seed=len(weight.path)))
    return encoder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "encoder.keras"
    make().save(path)
    return path


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.fixture
def write(saved, tmp_path):
    """Writes the saved file again with other members."""

    def write(compression=zipfile.ZIP_STORED, config=None, **changes):
        path = tmp_path / "changed.keras"
        content = members(saved)
        if config is not None:
            values = json.loads(content["config.json"])
            values["config"]["config"].update(config)
            content["config.json"] = json.dumps(values)
        content |= {name.replace("_json", ".json"): data for name, data in changes.items()}
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in content.items():
                if data is not None:
                    archive.writestr(name, data)
        return path

    return write


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "mixed_float16"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pooler": False},
        {"embedding_size": 6, "activation": "relu", "layer_norm_epsilon": 1e-3},
        {"num_layers": 1, "type_vocab_size": 4, "pad_token_id": 3, "activation": "gelu_tanh"},
    ],
    ids=["plain", "no-pooler", "projection", "one-block"],
)
def test_what_was_saved_comes_back(tmp_path, dtype, changes):
    encoder = make(dtype, **changes)
    encoder.save(tmp_path / "a.keras")
    again = BertEncoder.from_pretrained(tmp_path / "a.keras", dtype=dtype)
    assert again.config == encoder.config
    for weight, other in zip(encoder.weights, again.weights, strict=True):
        assert weight.path.split("/")[1:] == other.path.split("/")[1:]
        arrays = [keras.ops.convert_to_numpy(w).astype("float32") for w in (weight, other)]
        np.testing.assert_array_equal(*arrays)


def test_a_value_that_becomes_infinite_is_named(tmp_path):
    encoder = make()
    encoder.pooler.bias.assign(encoder.pooler.bias + 1e6)
    encoder.save(tmp_path / "encoder.keras")
    with pytest.raises(UserError, match=r"dense/vars/1' in .* is infinite in float16"):
        BertEncoder.from_pretrained(tmp_path / "encoder.keras", dtype="float16")


def test_it_is_opened_without_a_tokenizer(saved):
    checkpoint = open_checkpoint(saved)
    assert (checkpoint.format, checkpoint.architecture) == ("Keras", "BertEncoder")
    assert not checkpoint.report().problems()
    assert not checkpoint.report().ignored
    assert {checkpoint.tensors.file(name) for name in checkpoint.tensors} == {saved}
    with pytest.raises(UserError, match=r"has no tokenizer, which a .keras file cannot hold"):
        checkpoint.read_tokenizer()


def test_another_model_is_refused_and_nothing_of_it_made(tmp_path):
    path = tmp_path / "model.keras"
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: 1 / 0, output_shape=(3,))(inputs)).save(path)
    with pytest.raises(
        UserError, match=r"holds a .*Functional.*, and only a BertEncoder saved alone"
    ):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hidden_size": 3 * 10**12}, "hidden_size=3000000000000 is above"),
        ({"num_layers": 10**6}, "num_layers is 1,000,000, more than 1,000"),
        ({"num_heads": 5}, "not a multiple of num_heads=5"),
        ({"activation": "os.system"}, "'os.system' is not a known activation"),
        ({"activation": 7}, "activation=7 is not a string"),
        ({"dropout": "much"}, "dropout='much' is not a number"),
        ({"surprise": 1}, "surprise"),
    ],
    ids=str,
)
def test_configurations_without_sense(write, config, message):
    with pytest.raises(UserError, match=f"does not describe a BertEncoder.*{message}"):
        open_checkpoint(write(config=config))


@pytest.mark.parametrize("sizes", [{"hidden_size": 24}, {"num_layers": 3}, {"vocab_size": 10}])
def test_another_size_than_the_weights(write, sizes):
    with pytest.raises(UserError, match="are not those of the BERT encoder that its configuration"):
        BertEncoder.from_pretrained(write(config=sizes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "config.json in .* is not valid JSON"),
        ("[]", "config.json in .* holds a JSON array"),
        ("{}", "describes no Keras model"),
        ("[" * 100_000, "config.json in .* is not valid JSON"),
        (" " * 2_000_000, "it is too large"),
        ('{"registered_name": "kerasformer>BertEncoder", "config": []}', "does not describe"),
        ('{"registered_name": "kerasformer>BertEncoder", "config": {"config": 3}}', "not describe"),
        ('{"registered_name": null, "class_name": "Sequential", "config": {}}', "a Sequential"),
        (None, "has no config.json in it"),
    ],
    ids=["cut", "list", "empty", "deep", "large", "no-config", "number", "other", "none"],
)
def test_broken_config(write, text, message):
    with pytest.raises(UserError, match=message):
        open_checkpoint(write(config_json=text))


def test_a_bomb_is_not_unpacked(write):
    path = write(zipfile.ZIP_DEFLATED, config_json=b" " * 200_000_000)
    assert path.stat().st_size < 300_000
    with pytest.raises(UserError, match="it is too large"):
        open_checkpoint(path)


def test_compressed_weights_are_refused(write):
    with pytest.raises(UserError, match=r"model.weights.h5 in .* is compressed"):
        open_checkpoint(write(zipfile.ZIP_DEFLATED))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_flipped_bit(saved, tmp_path, member):
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        info = archive.getinfo(member)
    content[info.header_offset + 30 + len(member) + info.compress_size * 3 // 4] ^= 0x40
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(content)
    with pytest.raises(UserError, match=f"no sound .keras file .Bad CRC-32 for file '{member}'"):
        open_checkpoint(damaged)
    assert "Bad CRC-32" in inspect(damaged)["problems"][0]


def test_a_member_that_is_there_twice(saved, tmp_path):
    path = tmp_path / "twice.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members(saved).items():
            archive.writestr(name, data)
        archive.writestr("config.json", "{}")
    with pytest.raises(UserError, match=r"has 2 config.json in it"):
        open_checkpoint(path)


def test_what_is_no_zip(tmp_path):
    path = tmp_path / "a.keras"
    path.write_bytes(b"not a zip at all")
    with pytest.raises(UserError, match=r"is no sound .keras file"):
        open_checkpoint(path)


@pytest.fixture
def h5(tmp_path):
    """Makes an HDF5 file by a function of it; gives its path."""

    def make(fill):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            fill(file)
        return path

    return make


def test_plain_tensors_of_any_number_type(h5, rng):
    arrays = {
        "a/float32": rng.normal(size=(3, 4)).astype("float32"),
        "a/float16": rng.normal(size=5).astype("float16"),
        "big_endian": rng.normal(size=(2, 2)).astype(">f8"),
        "int64": np.array(7),
        "empty": np.zeros((0, 3)),
    }
    tensors = open_h5(h5(lambda file: [file.create_dataset(n, data=a) for n, a in arrays.items()]))
    assert set(tensors) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(tensors[name], array)
        assert tensors.shape(name) == array.shape


def _virtual(file):
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "data", shape=(4,))
    file.create_virtual_dataset("x", layout)


def _itself(file):
    file.create_group("a/b")
    file["a/b/again"] = file["a"]


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda f: f.create_dataset("x", data=np.ones(9), compression="gzip"), "is compressed"),
        (lambda f: f.create_dataset("x", data=np.ones((9, 9)), chunks=(3, 3)), "in pieces"),
        (lambda f: f.create_dataset("x", (10**15,), "f4", chunks=(2**20,)), "in pieces"),
        (lambda f: f.create_dataset("x", (10**15,), "f4"), "compressed, in pieces or in another"),
        (
            lambda f: f.create_dataset("x", (4,), "f4", external=[("/etc/passwd", 0, 16)]),
            "in another file",
        ),
        (_virtual, "in another file"),
        (lambda f: f.__setitem__("x", h5py.ExternalLink("other.h5", "/")), "the link 'x'"),
        (
            lambda f: f.__setitem__("x", h5py.SoftLink("/nowhere")),
            "the link 'x': expected weights",
        ),
        (_itself, "'a/b/again' twice"),
        (lambda f: f.create_dataset("x", data="text"), "'x' in .* is no array of numbers"),
        (lambda f: f.create_dataset("x", data=np.void(b"abc")), "is no array of numbers"),
        (lambda f: f.create_dataset("x", data=h5py.Empty("f4")), "is no array of numbers"),
    ],
    ids=[
        *("gzip", "chunks", "huge-chunked", "huge", "external", "virtual", "external-link"),
        *("soft-link", "cycle", "text", "opaque", "null"),
    ],
)
def test_all_but_plain_tensors_are_refused(h5, fill, message):
    with pytest.raises(UserError, match=message):
        open_h5(h5(fill))


def test_a_file_that_is_missing_or_none(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        open_h5(tmp_path / "none.h5")
    (tmp_path / "a.h5").write_bytes(b"\0" * 5000)
    with pytest.raises(UserError, match="is not a sound HDF5 file of weights"):
        open_h5(tmp_path / "a.h5")


def test_a_file_that_shrinks_after_it_was_opened(h5):
    path = h5(lambda file: file.create_dataset("x", data=np.ones(1000)))
    tensors = open_h5(path)
    with open(path, "r+b") as stream:
        stream.truncate(3000)
    with pytest.raises(UserError, match="is not a sound HDF5 file of weights"):
        tensors["x"]


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files_are_read_or_refused(saved, tmp_path, data):
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(0, 8))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + 4] = data.draw(st.binary(min_size=1, max_size=4))
    content = content[: data.draw(st.integers(0, 2 * len(content)))]
    path = tmp_path / "damaged.keras"
    path.write_bytes(content)
    message = "damaged.keras"
    try:
        checkpoint = open_checkpoint(path)
        arrays = [checkpoint.tensors[name] for name in checkpoint.tensors]
    except UserError as error:
        arrays, message = [], str(error)
    assert sum(array.nbytes for array in arrays) <= len(content)
    assert "damaged.keras" in message


def test_the_part_of_a_file_that_hdf5_reads(saved):
    """With other bytes before and behind it."""
    weights = members(saved)["model.weights.h5"]
    plain = saved.with_name("plain.h5")
    plain.write_bytes(weights)
    between = saved.with_name("between.bin")
    between.write_bytes(b"x" * 1234 + weights + b"y" * 99)
    tensors = open_h5(between, 1234, len(weights))
    with h5py.File(io.BytesIO(weights)) as file:
        for name, array in open_h5(plain).items():
            np.testing.assert_array_equal(array, tensors[name])
            np.testing.assert_array_equal(array, file[name][()])
