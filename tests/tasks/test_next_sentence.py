"""Pairs of sentences; tests/parity/test_next_sentence.py compares with transformers."""

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import NextSentencePredictor
from kerasformer.text import WordPieceTokenizer

pytestmark = pytest.mark.usefixtures("eager")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "it", "rains", "is", "wet", "dry", "rome", "old"]
PAIRS = [("it rains", "it is wet"), ("it rains", "rome is old"), ("rome", "is old"), ("dry", "wet")]
FOLLOWS = [True, False, True, False]


def make(tokenizer=True, **options):
    keras.utils.set_random_seed(2)
    sizes = {"hidden_size": 12, "num_layers": 1, "num_heads": 2, "intermediate_size": 8}
    config = EncoderConfig(
        vocab_size=40,
        max_length=16,
        initializer_range=0.5,
        dropout=0.0,
        attention_dropout=0,
        **sizes,
    )
    given = WordPieceTokenizer.from_vocabulary(WORDS) if tokenizer else None
    return NextSentencePredictor(BertEncoder(config), given, **options)


@pytest.fixture(scope="module")
def trained():
    model = make()
    model.fit(PAIRS, FOLLOWS, epochs=6, learning_rate=0.02, verbose=0)
    return model


def test_it_learns_what_follows(trained):
    scores = trained.evaluate(PAIRS, FOLLOWS, return_dict=True, verbose=0)
    assert scores["accuracy"] == 1
    assert [row["name"] for row in scores["per_class"]] == ["follows", "random"]
    assert trained.classify(PAIRS) == ["follows", "random"] * 2
    several = trained.follows(*zip(*PAIRS, strict=True))
    logits = trained.predict(PAIRS)
    expected = np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1)
    np.testing.assert_allclose(several, expected, rtol=1e-4)
    assert trained.follows(*PAIRS[0]) == pytest.approx(several[0], rel=1e-4)
    assert (several > 0.5).tolist() == FOLLOWS


@pytest.mark.parametrize(
    "labels",
    [np.array(FOLLOWS), ["follows", "random"] * 2, [0, 1] * 2, np.array([[1, 0], [0, 1]] * 2)],
)
def test_labels_of_every_kind_are_the_same(trained, labels):
    expected = trained.evaluate(PAIRS, FOLLOWS, verbose=0)
    np.testing.assert_allclose(trained.evaluate(PAIRS, labels, verbose=0), expected, rtol=1e-6)


def test_a_frozen_encoder_keeps_its_weights():
    model = make(freeze_encoder=True)
    encoder, before = model.encoder.get_weights(), model.evaluate(PAIRS, FOLLOWS, verbose=0)
    history = model.fit(PAIRS, FOLLOWS, validation_data=(PAIRS, FOLLOWS), verbose=0).history
    for one, other in zip(model.encoder.get_weights(), encoder, strict=True):
        np.testing.assert_array_equal(one, other)
    after = model.evaluate(PAIRS, FOLLOWS, verbose=0)
    assert after[0] < before[0]
    assert history["val_loss"][-1] == pytest.approx(after[0], rel=1e-4)


def test_from_nothing_but_pairs(tmp_path):
    model = make(tokenizer=False, max_length=9)
    with pytest.raises(UserError, match="no vocabulary yet: train it with fit"):
        model.predict(PAIRS)
    model.fit(PAIRS, FOLLOWS, epochs=1, verbose=0)
    expected = model.predict(PAIRS)
    model.save(tmp_path / "model.keras")
    model.save_pretrained(tmp_path / "saved")
    read = NextSentencePredictor.from_pretrained(tmp_path / "saved")
    for again in (read, keras.saving.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(again.predict(PAIRS), expected, atol=1e-6)
        assert again.get_config()["max_length"] == 9


def test_what_is_refused(trained):
    with pytest.raises(UserError, match="Expected pairs of sentences, got single ones"):
        trained.predict(["it rains"])
    with pytest.raises(UserError, match="Got 1 first sentences and 2 second ones"):
        trained.follows(["it"], ["rains", "is"])
    with pytest.raises(UserError, match="second is None, a NoneType"):
        trained.follows("it", None)
    with pytest.raises(UserError, match="The label 'maybe' is not one of the 2 classes follows"):
        trained.evaluate(PAIRS, ["maybe"] * 4)
    with pytest.warns(UserWarning, match="head of this NextSentencePredictor has not been trained"):
        make().follows("it", "rains")


def test_generators_of_pairs(trained):
    expected = trained.predict(PAIRS)
    np.testing.assert_array_equal(trained.predict(pair for pair in PAIRS), expected)
    message = r"Expected \(first, second\) pairs of sentences, got a generator that gives more: "
    with pytest.raises(UserError, match=message + "give a list of them and one of labels"):
        trained.fit((pair for pair in zip(PAIRS, FOLLOWS, strict=True)), epochs=1)
    with pytest.raises(UserError, match="got single ones"):
        trained.predict(first for first, _ in PAIRS)
