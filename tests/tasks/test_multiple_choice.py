"""A score for each choice; tests/parity/test_classifiers.py compares with transformers."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from kerasformer.checkpoints.export.tfhub import export_tfhub
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import MultipleChoice, NextSentencePredictor
from kerasformer.text import WordPieceTokenizer

CONFIG = EncoderConfig(
    vocab_size=8, hidden_size=6, num_layers=1, num_heads=2, intermediate_size=5, max_length=9
)
IDS = np.array([[[2, 5, 3, 6, 3], [2, 5, 3, 0, 0], [2, 4, 3, 7, 3]]] * 2, "int32")


def make(dtype=None, **changes):
    keras.utils.set_random_seed(1)
    config = dataclasses.replace(CONFIG, initializer_range=0.5, **changes)
    return MultipleChoice(BertEncoder(config, dtype=dtype), dtype=dtype)


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def test_the_scores_are_those_of_each_choice_alone():
    model = make()
    scores = array(model(IDS))
    assert scores.shape == (2, 3)
    pooled = array(model.encoder(IDS[0])["pooled_output"])
    kernel, bias = model.multiple_choice.get_weights()
    np.testing.assert_allclose(scores[0], (pooled @ kernel + bias)[:, 0], atol=1e-5)
    np.testing.assert_allclose(array(model(IDS[:, ::-1])), scores[:, ::-1], atol=1e-5)


def test_padding_changes_nothing():
    model = make()
    padded = np.pad(IDS, [(0, 0), (0, 0), (0, 3)])
    np.testing.assert_allclose(array(model(padded)), array(model(IDS)), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_it_is_trained_and_comes_back_from_keras(tmp_path, dtype):
    model = make(dtype)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.predict(IDS, verbose=0)
    model.fit(IDS, np.array([0, 2]), epochs=2, verbose=0)
    after = model.predict(IDS, verbose=0)
    assert (before != after).any()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(IDS, verbose=0), after, atol=1e-5)


def test_in_a_functional_model():
    model, ids = make(), keras.Input((None, None), dtype="int32")
    functional = keras.Model(ids, model({"input_word_ids": ids}))
    np.testing.assert_allclose(array(functional(IDS)), array(model(IDS)), atol=1e-6)


def test_what_it_does_not_take(tmp_path):
    with pytest.raises(ValueError, match=r"of shape \[batch, choices, seq\], got \(3, 5\)"):
        make()(IDS[0])
    with pytest.raises(ValueError, match="MultipleChoice needs a pooler"):
        make(pooler=False)


def test_a_choice_of_padding_alone_is_none():
    model = make()
    padded = np.concatenate([IDS, np.zeros_like(IDS[:, :1])], axis=1)
    np.testing.assert_allclose(array(model(padded))[:, :3], array(model(IDS)), atol=1e-6)
    assert (array(model(padded))[:, 3] == -1e9).all()


# Poolers with the activation of another family


def test_a_pooler_of_another_activation():
    encoder = make(pooler_activation="relu").encoder
    outputs = encoder(IDS[0])
    kernel, bias = encoder.pooler.get_weights()
    expected = np.maximum(array(outputs["sequence_output"])[:, 0] @ kernel + bias, 0)
    np.testing.assert_allclose(array(outputs["pooled_output"]), expected, atol=1e-5)
    assert BertEncoder.from_config(encoder.get_config()).config.pooler_activation == "relu"
    with pytest.raises(ValueError, match="'no_such' is not a known activation"):
        EncoderConfig(pooler_activation="no_such")


def test_it_is_not_written_where_the_format_has_tanh(tmp_path):
    encoder = make(pooler_activation="relu").encoder
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"]
    tokenizer = WordPieceTokenizer.from_vocabulary(words)
    with pytest.raises(UserError, match="pooler has the activation 'relu', but that of TF Hub's"):
        export_tfhub(encoder, tokenizer, tmp_path / "hub", seq_length=8)
    with pytest.raises(UserError, match=r"no BertForNextSentencePrediction with a pooler of the"):
        NextSentencePredictor(encoder).save_pretrained(tmp_path / "saved")
    odd = dataclasses.replace(encoder.config, layer_norm_epsilon=1e-5)
    with pytest.raises(UserError, match="layer_norm_epsilon is 1e-12 in every distilbert"):
        MultipleChoice(BertEncoder(odd)).save_pretrained(tmp_path / "saved")
    assert not any(tmp_path.iterdir())
