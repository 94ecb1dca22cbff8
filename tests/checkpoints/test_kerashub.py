"""BERT presets of KerasHub, written here by the table of names; tests/parity has real ones."""

import json

import h5py
import keras
import numpy as np
import pytest

from kerasformer import BertEncoder, EncoderConfig
from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.formats.kerashub import KERASHUB
from kerasformer.errors import UserError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "film", "##s", "é", "e"]
CONFIG = {
    "vocabulary_size": len(WORDS),
    "num_layers": 2,
    "num_heads": 3,
    "hidden_dim": 12,
    "intermediate_dim": 7,
    "dropout": 0.2,
    "max_sequence_length": 9,
    "num_segments": 2,
}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def write_config(folder, kind="BertBackbone", **changes):
    write(folder / "config.json", {"class_name": kind, "config": {**CONFIG, **changes}})


def write_tokenizer(folder, kind="BertTokenizer", **config):
    write(folder / "tokenizer.json", {"class_name": kind, "config": config})


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(1)
    encoder = BertEncoder(
        EncoderConfig(
            vocab_size=len(WORDS),
            hidden_size=12,
            num_layers=2,
            num_heads=3,
            intermediate_size=7,
            max_length=9,
            activation="gelu_tanh",
            dropout=0.2,
            attention_dropout=0.2,
        )
    )
    for i, weight in enumerate(encoder.weights):
        weight.assign(keras.random.normal(weight.shape, seed=i))
    return encoder


@pytest.fixture
def folder(encoder, tmp_path):
    write_config(tmp_path)
    write_tokenizer(tmp_path, lowercase=True, strip_accents=False)
    write(tmp_path / "assets/tokenizer/vocabulary.txt", "\n".join(WORDS))
    values = {w.path.removeprefix(f"{encoder.path}/"): w for w in encoder.weights}
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        for weight in KERASHUB.encoder_weights(encoder.config):
            name = weight.theirs.replace("transformer_encoder_0/", "transformer_encoder/")
            value = keras.ops.convert_to_numpy(values[weight.ours])
            file[name] = weight.from_keras(value)
    return tmp_path


def test_a_preset(folder, encoder):
    checkpoint = open_checkpoint(folder)
    assert (checkpoint.format, checkpoint.architecture) == ("KerasHub", "BertBackbone")
    again = checkpoint.load_encoder(BertEncoder)
    assert again.config == encoder.config
    for weight, other in zip(encoder.weights, again.weights, strict=True):
        arrays = [keras.ops.convert_to_numpy(w) for w in (weight, other)]
        np.testing.assert_array_equal(*arrays)


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({"lowercase": True, "strip_accents": False}, ["good", "film", "##s", "é"]),
        ({"lowercase": True, "strip_accents": True}, ["good", "film", "##s", "e"]),
        ({}, ["[UNK]", "film", "##s", "[UNK]"]),
    ],
    ids=str,
)
def test_its_tokenizer(folder, settings, tokens):
    write_tokenizer(folder, **settings)
    assert open_checkpoint(folder).read_tokenizer().tokens(["Good films É"]) == [tokens]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "DistilBertBackbone"}, "describes a 'DistilBertBackbone': expected"),
        ({"hidden_dim": 0}, "hidden_dim is 0 in .*: expected an integer from 1"),
        ({"hidden_dim": 10**9}, "hidden_dim is 1000000000 in"),
        ({"num_layers": 10**9}, "num_layers is 1000000000 in .* to 1,000"),
        ({"num_heads": True}, "num_heads is True"),
        ({"num_heads": 5}, "is not a multiple of num_heads=5"),
        ({"vocabulary_size": "9" * 1000}, "vocabulary_size is '999"),
        ({"dropout": "none"}, "dropout='none' is not a number"),
    ],
    ids=str,
)
def test_configurations_that_are_refused(folder, change, message):
    write_config(folder, **change)
    with pytest.raises(UserError, match=message):
        open_checkpoint(folder)


@pytest.mark.parametrize("sizes", [{"hidden_dim": 24}, {"num_layers": 3}, {"num_segments": 1}])
def test_another_size_than_the_weights(folder, sizes):
    write_config(folder, **sizes)
    with pytest.raises(UserError, match="are not those of the BERT encoder that its configuration"):
        BertEncoder.from_pretrained(folder)


def test_tokenizers_that_are_refused(folder):
    write_tokenizer(folder, kind="RobertaTokenizer")
    with pytest.raises(UserError, match="describes a 'RobertaTokenizer'"):
        open_checkpoint(folder).read_tokenizer()
    write_tokenizer(folder, lowercase="yes")
    with pytest.raises(UserError, match="lowercase or strip_accents that is no bool"):
        open_checkpoint(folder).read_tokenizer()
    (folder / "assets/tokenizer/vocabulary.txt").unlink()
    with pytest.raises(UserError, match=r"has no tokenizer: expected assets.tokenizer.vocab"):
        open_checkpoint(folder).read_tokenizer()


def test_weights_in_several_files(folder):
    (folder / "model.weights.h5").rename(folder / "model.weights.json")
    with pytest.raises(UserError, match="has its weights in several files"):
        open_checkpoint(folder)
