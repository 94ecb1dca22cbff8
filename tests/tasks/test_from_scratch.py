"""Models whose encoder is new and whose vocabulary is learnt by `fit`."""

import keras
import numpy as np
import pytest

from kerasformer.models import EncoderConfig
from kerasformer.tasks import TextClassifier
from kerasformer.text import WordPieceTokenizer

TEXTS = ["a fine film", "a dull film", "fine acting, fine film", "dull acting"] * 4
LABELS = ["good", "bad"] * 8
PAIRS = [("a fine film", "it is fine"), ("a dull film", "it is fine")] * 8
SIZES = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 16}
CONFIG = EncoderConfig(vocab_size=60, max_length=16, initializer_range=0.1, **SIZES)


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = TextClassifier.from_scratch(["bad", "good"], config=CONFIG)
    model.fit(TEXTS, LABELS, epochs=20, learning_rate=0.01, batch_size=4, verbose=0)
    return model


def test_it_learns_its_vocabulary_and_its_task(trained):
    assert isinstance(trained.tokenizer, WordPieceTokenizer)
    learnt = WordPieceTokenizer.train(TEXTS, vocab_size=CONFIG.vocab_size)
    assert trained.tokenizer.vocabulary() == learnt.vocabulary()
    assert trained.tokenizer.vocab_size <= CONFIG.vocab_size
    assert trained.classify(TEXTS[:4]) == LABELS[:4]


def test_the_vocabulary_stays_in_a_further_fit(trained):
    tokenizer = trained.tokenizer
    trained.fit(["other words altogether"], ["good"], epochs=0, verbose=0)
    assert trained.tokenizer is tokenizer


def test_its_recipe_is_that_of_new_encoders(trained):
    assert trained.recipe is TextClassifier.SCRATCH_RECIPE
    assert trained.recipe.learning_rate > TextClassifier.RECIPE.learning_rate


def test_it_comes_back(trained, tmp_path):
    expected = trained.predict(TEXTS[:4])
    trained.save(tmp_path / "model.keras")
    trained.save_pretrained(tmp_path / "folder")
    for again in (
        keras.saving.load_model(tmp_path / "model.keras"),
        TextClassifier.from_pretrained(tmp_path / "folder"),
    ):
        np.testing.assert_allclose(again.predict(TEXTS[:4]), expected, atol=1e-5)
        assert not again.is_from_scratch


@pytest.mark.usefixtures("eager")
def test_pairs_are_learnt_from_both_texts():
    model = TextClassifier.from_scratch(2, config=CONFIG, pooling="pooled")
    model.fit(PAIRS, [1, 0] * 8, epochs=1, verbose=0)
    both = [text for pair in PAIRS for text in pair]
    assert model.tokenizer.vocabulary() == WordPieceTokenizer.train(both, 60).vocabulary()


def test_the_default_encoder_is_small():
    config = TextClassifier.from_scratch(2).encoder.config
    assert (config.num_layers, config.hidden_size, config.vocab_size) == (2, 128, 8000)
