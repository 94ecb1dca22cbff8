"""Reading safetensors files: every type, shards, and files that are not sound."""

import json
import os
import struct

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save_file

from kerasformer.checkpoints.io.safetensors_file import open_tensors
from kerasformer.errors import UserError

TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def write_raw(path, header, data=b""):
    """A file with any header, sound or not."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(kind, shape, start, end):
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_every_type_and_shape_comes_back(tmp_path_factory, data):
    kinds = st.sampled_from(list(TYPES.values()))
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
        lambda name: name != "__metadata__"
    )
    arrays = data.draw(st.dictionaries(names, hnp.arrays(kinds, shapes), max_size=4))
    path = tmp_path_factory.mktemp("tensors") / "model.safetensors"
    save_file(arrays, path)
    tensors = open_tensors(path)
    assert set(tensors) == set(arrays)
    assert len(tensors) == len(arrays)
    for name, array in arrays.items():
        assert tensors.shape(name) == array.shape
        assert tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(tensors[name], array)


def test_bfloat16_comes_as_float32(tmp_path):
    values = np.array([[1.0, -2.5, 3e38], [np.inf, 1e-40, 0.1]], np.float32)
    stored = values.astype(ml_dtypes.bfloat16)
    header = {"w": entry("BF16", [2, 3], 0, 12)}
    tensor = open_tensors(write_raw(tmp_path / "b.safetensors", header, stored.tobytes()))["w"]
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor, stored.astype(np.float32))


def test_an_8_bit_float_says_so(tmp_path):
    path = write_raw(tmp_path / "f.safetensors", {"w": entry("F8_E4M3", [2], 0, 2)}, b"ab")
    with pytest.raises(UserError, match=r"'w' in .*f\.safetensors has the type F8_E4M3"):
        open_tensors(path)["w"]


def test_a_file_that_shrinks_after_it_was_opened(tmp_path):
    save_file({"w": np.zeros(1000)}, tmp_path / "model.safetensors")
    tensors = open_tensors(tmp_path)
    os.truncate(tmp_path / "model.safetensors", 5000)
    with pytest.raises(UserError, match="has become shorter while 'w' was read"):
        tensors["w"]


def test_a_name_that_is_not_there_is_a_key_error(tmp_path):
    save_file({"w": np.zeros(2)}, tmp_path / "model.safetensors")
    tensors = open_tensors(tmp_path)
    assert "v" not in tensors
    with pytest.raises(KeyError):
        tensors["v"]


F32 = entry("F32", [2], 0, 8)


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"w": F32}, b"1234567"),  # truncated
        ({"w": F32}, b"123456789"),  # bytes beyond
        ({"w": F32, "v": entry("F32", [2], 4, 12)}, b"0" * 12),  # overlapping
        ({"w": F32, "v": entry("F32", [2], 12, 20)}, b"0" * 20),  # a hole
        ({"w": entry("F32", [3], 0, 8)}, b"0" * 8),  # another shape than size
        ({"w": entry("F33", [2], 0, 8)}, b"0" * 8),  # no such type
        ({"w": entry("F32", [2**62, 4], 0, 8)}, b"0" * 8),  # a size that overflows
        (b"not json", b""),
        (b"\xff\xfe", b""),
        (b"[]", b""),
    ],
)
def test_an_unsound_file_is_named(tmp_path, header, data):
    path = write_raw(tmp_path / "model.safetensors", header, data)
    with pytest.raises(UserError, match=r"model.safetensors is not a sound safetensors file"):
        open_tensors(tmp_path)
    assert path.exists()


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"\xff" * 64, b"<!DOCTYPE html><html>", b"PK\x03\x04" + b"0" * 99]
)
def test_no_safetensors_at_all(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.safetensors is not a sound safetensors file"):
        open_tensors(path)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"There is no file .*no\.safetensors"):
        open_tensors(tmp_path / "no.safetensors")
    with pytest.raises(UserError, match=r"holds no model\.safetensors and no model\.saf"):
        open_tensors(tmp_path)
    with pytest.raises(UserError, match=r"There is no file .*index\.json"):
        open_tensors(tmp_path / "model.safetensors.index.json")


def write_shards(folder, weight_map):
    save_file({"a": np.zeros(2)}, folder / "model-1.safetensors")
    save_file({"b": np.ones(3)}, folder / "model-2.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def test_shards_are_one_mapping(tmp_path):
    index = write_shards(tmp_path, {"a": "model-1.safetensors", "b": "model-2.safetensors"})
    for tensors in (open_tensors(index), open_tensors(tmp_path)):
        assert {name: array.tolist() for name, array in tensors.items()} == {
            "a": [0, 0],
            "b": [1, 1, 1],
        }


@pytest.mark.parametrize(
    ("weight_map", "said"),
    [
        ({"a": "model-2.safetensors"}, "lacks the tensor 'a'"),
        ({"a": "model-3.safetensors"}, "There is no file"),
        ({"a": "../model-1.safetensors"}, "expected a .safetensors file beside it"),
        ({"a": "/etc/passwd.safetensors"}, "expected a .safetensors file beside it"),
        ({"a": "..safetensors"}, "expected a .safetensors file beside it"),
        ({"a": "pytorch_model.bin"}, "expected a .safetensors file beside it"),
        ({"a": 3}, "expected a .safetensors file beside it"),
        ({"a": ["model-1.safetensors"]}, "is no index of safetensors files"),
        ([], "is no index of safetensors files"),
        (None, "is no index of safetensors files"),
    ],
)
def test_an_unsound_index_is_named(tmp_path, weight_map, said):
    with pytest.raises(UserError, match=said):
        open_tensors(write_shards(tmp_path, weight_map))
