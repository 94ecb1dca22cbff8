"""What `save_pretrained` writes in the Hugging Face layout, and that it is read back as it was."""

import dataclasses
import itertools
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.io.safetensors_file import PendingTensor, open_tensors, writing_tensors
from kerasformer.errors import UserError
from kerasformer.layers import get_activation
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import MaskedLanguageModel, NextSentencePredictor, TokenClassifier

SMALL = EncoderConfig(
    vocab_size=20, hidden_size=6, num_layers=1, num_heads=2, intermediate_size=5, max_length=7
)


def values(layer):
    to_numpy = keras.ops.convert_to_numpy
    return {v.path.removeprefix(f"{layer.path}/"): to_numpy(v.value) for v in layer.weights}


def shaken(encoder, seed=0):
    rng = np.random.default_rng(seed)
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape).astype(weight.dtype))
    return encoder


def assert_same_weights(one, other):
    one, other = values(one), values(other)
    assert one.keys() == other.keys()
    for path in one:
        np.testing.assert_array_equal(one[path], other[path], err_msg=path)


@st.composite
def configs(draw):
    heads = draw(st.integers(1, 3))
    sizes = st.integers(1, 9)
    return EncoderConfig(
        vocab_size=draw(st.integers(2, 30)),
        hidden_size=heads * draw(st.integers(1, 4)),
        num_layers=draw(st.integers(1, 2)),
        num_heads=heads,
        intermediate_size=draw(sizes),
        max_length=draw(sizes),
        type_vocab_size=draw(st.integers(1, 3)),
        activation=draw(st.sampled_from(["gelu", "gelu_tanh", "gelu_fast", "relu", "silu"])),
        dropout=draw(st.floats(0, 0.99)),
        attention_dropout=draw(st.floats(0, 0.99)),
        layer_norm_epsilon=draw(st.floats(1e-13, 0.1)),
        initializer_range=draw(st.floats(0, 2)),
        pad_token_id=draw(st.integers(0, 1)),
        pooler=draw(st.booleans()),
        embedding_size=draw(st.none() | sizes),
    )


@settings(max_examples=25, deadline=None)
@given(config=configs())
def test_what_is_written_is_read(config):
    encoder = shaken(BertEncoder(config))
    with tempfile.TemporaryDirectory() as folder:
        encoder.save_pretrained(folder)
        again = BertEncoder.from_pretrained(folder)
    same_name = dataclasses.replace(again.config, activation=config.activation)
    assert same_name == config
    assert get_activation(again.config.activation) is get_activation(config.activation)
    assert_same_weights(again, encoder)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_each_variable_keeps_its_type(tmp_path, dtype):
    encoder = shaken(BertEncoder(SMALL, dtype=dtype))
    encoder.save_pretrained(tmp_path)
    tensors = open_tensors(tmp_path)
    assert {tensors.dtype(name) for name in tensors} == {dtype}
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == dtype
    assert_same_weights(BertEncoder.from_pretrained(tmp_path, dtype=dtype), encoder)


def test_the_names_and_numbers_are_those_of_the_layout(tmp_path):
    config = dataclasses.replace(SMALL, activation="gelu_tanh", pad_token_id=3)
    shaken(BertEncoder(config)).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    save_id = values.pop("kerasformer_save_id")
    assert values == {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "dtype": "float32",
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 6,
        "initializer_range": 0.02,
        "intermediate_size": 5,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 7,
        "model_type": "bert",
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "pad_token_id": 3,
        "type_vocab_size": 2,
        "vocab_size": 20,
    }
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt", "kerasformer_save_id": save_id}
        assert len(file.keys()) == 5 + 16 + 2
        assert file.get_tensor("encoder.layer.0.intermediate.dense.weight").shape == (5, 6)


@pytest.mark.parametrize(
    ("task", "pooled"), [(MaskedLanguageModel, False), (NextSentencePredictor, True)]
)
def test_a_pooler_goes_only_where_transformers_has_one(tmp_path, task, pooled):
    task(BertEncoder(SMALL)).save_pretrained(tmp_path)
    names = set(open_tensors(tmp_path))
    assert {name for name in names if "pooler" in name} == (
        {"bert.pooler.dense.weight", "bert.pooler.dense.bias"} if pooled else set()
    )
    assert all(name.startswith(("bert.", "cls.")) for name in names)
    assert open_checkpoint(tmp_path).report().problems() == []


def test_an_encoder_in_another_layer_is_written(tmp_path):
    class Wrapper(keras.layers.Layer):
        def build(self, input_shape):
            self.encoder = shaken(BertEncoder(SMALL))

    wrapper = Wrapper(name="outer")
    wrapper.build((None, None))
    wrapper.encoder.save_pretrained(tmp_path)
    assert_same_weights(BertEncoder.from_pretrained(tmp_path), wrapper.encoder)


# What cannot be written


def test_activations_that_transformers_lacks(tmp_path):
    encoder = BertEncoder(dataclasses.replace(SMALL, activation="elu"))
    with pytest.raises(UserError, match=r"'elu' cannot be saved for transformers: .*gelu_tanh"):
        encoder.save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_heads_that_transformers_lacks(tmp_path):
    wide = dataclasses.replace(SMALL, embedding_size=4)
    with pytest.raises(UserError, match="no ElectraForNextSentencePrediction"):
        NextSentencePredictor(BertEncoder(wide)).save_pretrained(tmp_path)
    relu = dataclasses.replace(wide, activation="relu")
    with pytest.raises(UserError, match="ElectraForMaskedLM has a head with the activation 'gelu'"):
        MaskedLanguageModel(BertEncoder(relu)).save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["lora", "quantized"])
def test_an_encoder_with_other_weights_is_not_written_in_part(tmp_path, change):
    encoder = BertEncoder(SMALL)
    if change == "lora":
        encoder.blocks[0].output_dense.enable_lora(2)
    else:
        encoder.blocks[0].output_dense.quantize("int8")
    with pytest.raises(UserError, match="cannot be saved in this format"):
        encoder.save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="Cannot save to"):
            BertEncoder(SMALL).save_pretrained(place)


def test_what_fails_on_the_way_leaves_the_old_weights(tmp_path):
    encoder = shaken(BertEncoder(SMALL))
    encoder.save_pretrained(tmp_path)

    class Broken:
        def save_pretrained(self, folder):
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left on device"):
        shaken(BertEncoder(SMALL), seed=1).save_pretrained(tmp_path, Broken())
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    assert_same_weights(BertEncoder.from_pretrained(tmp_path), encoder)


# One save over another


def test_the_same_model_has_the_same_files(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        shaken(BertEncoder(SMALL), seed).save_pretrained(tmp_path / name)
    a, b, c = ((tmp_path / n / "model.safetensors").read_bytes() for n in "abc")
    assert a == b != c


def test_files_of_two_saves_are_refused(tmp_path):
    for name, seed in (("old", 0), ("new", 1)):
        shaken(BertEncoder(SMALL), seed).save_pretrained(tmp_path / name)
    shutil.copy(tmp_path / "new/config.json", tmp_path / "old/config.json")
    with pytest.raises(UserError, match=r"config\.json and weights of two different saves"):
        open_checkpoint(tmp_path / "old")


def test_weights_that_another_program_wrote_are_read(tmp_path):
    """transformers hands on what it does not know of config.json, and writes its own metadata."""
    shaken(BertEncoder(SMALL)).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        tensors = {name: file.get_tensor(name) * 2 for name in file.keys()}  # noqa: SIM118
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert "kerasformer_save_id" in values
    assert open_checkpoint(tmp_path).report().problems() == []
    del values["kerasformer_save_id"]  # or it knows all keys
    shaken(BertEncoder(SMALL)).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert open_checkpoint(tmp_path).report().problems() == []


def test_a_save_over_the_model_that_is_being_read(tmp_path):
    shaken(BertEncoder(SMALL)).save_pretrained(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    shaken(BertEncoder(SMALL), seed=1).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="has changed while it was read: load the model again"):
        checkpoint.load_encoder(BertEncoder)


def test_nothing_of_an_older_model_is_read(tmp_path):
    for name in ("modules.json", "classifier.json", "model.weights.h5", "adapter_config.json"):
        (tmp_path / name).write_text("{}")
    for name in ("model.safetensors.index.json", "model-00001-of-00002.safetensors", "notes.txt"):
        (tmp_path / name).write_text("{}")
    encoder = shaken(BertEncoder(SMALL))
    encoder.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("config.json", "model.safetensors", "notes.txt")
    }
    assert_same_weights(BertEncoder.from_pretrained(tmp_path), encoder)


@pytest.mark.parametrize("first", [1, 3])
def test_a_classifier_killed_while_saving_is_the_old_or_the_new(tmp_path, first):
    """Never old weights beside new class names, whose answers would be inverted."""
    old = TokenClassifier(["good", "bad"], shaken(BertEncoder(SMALL)))
    new = TokenClassifier(["bad", "good"], shaken(BertEncoder(SMALL), seed=1))
    weights = [next(iter(t.encoder.get_weights())).ravel()[0] for t in (old, new)]
    found, status = set(), None
    for step in range(first, 100, 6):
        old.save_pretrained(tmp_path)
        status = killed_at(step, tmp_path, lambda: new.save_pretrained(tmp_path))
        checkpoint = open_checkpoint(tmp_path)
        tensor = checkpoint.tensors["bert.embeddings.word_embeddings.weight"]
        found.add((checkpoint.class_names, weights.index(tensor.ravel()[0])))
        if status == 0:
            break
    assert status == 0
    assert found == {(("good", "bad"), 0), (("bad", "good"), 1)}


def killed_at(step, folder, run):
    """The status of a forked process that is killed as it touches a file for the nth time."""
    child = os.fork()
    if child == 0:
        count = itertools.count(1)

        def watch(event, arguments):
            is_step = event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")
            if is_step and str(arguments[0]).startswith(str(folder)) and next(count) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        run()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_full_disk_leaves_the_old_model(tmp_path):
    encoder = shaken(BertEncoder(SMALL))
    encoder.save_pretrained(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"Cannot save to .*File too large.*disk with room"):
            shaken(BertEncoder(SMALL), seed=1).save_pretrained(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    assert_same_weights(BertEncoder.from_pretrained(tmp_path), encoder)


# The file of tensors


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
            st.sampled_from(["float64", "float32", "float16", "bfloat16"]),
            st.lists(st.integers(0, 3), max_size=3),
        ),
        unique_by=lambda entry: entry[0],
        max_size=6,
    )
)
def test_the_library_reads_what_is_written(entries):
    rng = np.random.default_rng(0)
    arrays = {
        name: np.asarray(rng.normal(size=shape)).astype(getattr(ml_dtypes, dtype, dtype))
        for name, dtype, shape in entries
    }
    written = [
        PendingTensor(name, dtype, tuple(shape), arrays[name].copy)
        for name, dtype, shape in entries
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        with writing_tensors(path, written):
            assert not path.exists()  # written beside, not in place yet
        ours = open_tensors(path)
        assert set(ours) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(ours[name], array.astype(ours[name].dtype))
        with safe_open(path, framework="numpy") as file:
            assert set(file.keys()) == set(arrays)


def test_a_tensor_that_fails_leaves_nothing(tmp_path):
    def fail():
        raise MemoryError

    tensors = [PendingTensor("a", "float32", (2,), fail)]
    with pytest.raises(MemoryError), writing_tensors(tmp_path / "model.safetensors", tensors):
        pass
    assert list(tmp_path.iterdir()) == []


def test_integers_are_not_written(tmp_path):
    tensors = [PendingTensor("a", "int8", (2,), lambda: np.zeros(2, "int8"))]
    with (
        pytest.raises(UserError, match="a is of type int8"),
        writing_tensors(tmp_path / "model.safetensors", tensors),
    ):
        pass


def test_a_token_classifiers_names(tmp_path):
    names = ["O", "B-PERSONÑ", "日本"]
    task = TokenClassifier(names, BertEncoder(SMALL), dropout=0.3)
    task.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "O", "1": "B-PERSONÑ", "2": "日本"}
    assert config["label2id"] == {name: i for i, name in enumerate(names)}
    again = TokenClassifier.from_pretrained(tmp_path)
    assert again.class_names == tuple(names)
    assert again.dropout == 0.3
