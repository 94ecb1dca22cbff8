"""Rows that fill a batch up change nothing; on TensorFlow a GPU is feigned.

Each training is compared with one whose batches are not filled.
"""

import keras
import numpy as np
import pytest

from kerasformer import hardware
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import (
    Distillation,
    MaskedLanguageModel,
    MultipleChoice,
    NextSentencePredictor,
    PretrainingModel,
    QuestionAnswerer,
    TextClassifier,
    TokenClassifier,
    TransformerClassifier,
)
from kerasformer.tasks.fitting import ahead
from kerasformer.tasks.fitting.filling import _is_known_loss, fills
from kerasformer.text import WordPieceTokenizer, WordTokenizer
from kerasformer.training.losses import metrics_for, smoothed

pytestmark = pytest.mark.usefixtures("without_graphs")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fine", "dull", "film", "acting", "so"]
# 5 in batches of 4 and 1.
TEXTS = ["a fine film", "so dull", "fine", "so dull acting", "a film so dull so dull so so dull"]
LABELS = [1, 0, 1, 0, 1]
WEIGHTS = np.array([1.0, 0.5, 0.0, 2.0, 0.75], "float32")
SENTENCES = [text.split() for text in TEXTS]
CHOICES = [["fine film", "so dull", "a film"][: 2 + (i % 2)] for i in range(5)]
EXAMPLES = {
    "classes": (TEXTS, LABELS),
    "scratch": (TEXTS, LABELS),
    "frozen": (TEXTS, LABELS),
    "several labels": (TEXTS, [[i % 2, 1, i % 3 == 0] for i in range(5)]),
    "numbers": (TEXTS, [0.5 * i for i in range(5)]),
    "tags": (
        SENTENCES,
        [["B" if word in ("film", "so") else "O" for word in words] for words in SENTENCES],
    ),
    "answers": (
        [("fine film", text) for text in TEXTS],
        [(text.split()[-1], text.index(text.split()[-1])) for text in TEXTS],
    ),
    "masked words": (TEXTS,),
    "distilled": (TEXTS,),
    "both": ([f"{text}. {text}. so {text}." for text in TEXTS],),
    "next sentence": ([(text, "so dull") for text in TEXTS], LABELS),
    "choices": (list(zip(TEXTS, CHOICES, strict=True)), LABELS),
}


def make(subject):
    keras.utils.set_random_seed(0)
    if subject == "scratch":
        sizes = {"vocab_size": 60, "max_length": 16, "hidden_size": 8, "num_heads": 2}
        tokenizer = WordTokenizer.train(TEXTS, vocab_size=60)
        return TransformerClassifier(2, **sizes, tokenizer=tokenizer, dropout=0.0)
    sizes = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 8}
    sizes |= {"vocab_size": len(WORDS), "max_length": 16, "initializer_range": 0.3}
    encoder = BertEncoder(EncoderConfig(dropout=0.0, attention_dropout=0.0, **sizes))
    given = {"encoder": encoder, "tokenizer": WordPieceTokenizer.from_vocabulary(WORDS)}
    if subject == "distilled":
        return Distillation(BertEncoder(encoder.config), MaskedLanguageModel(**given))
    if subject == "tags":
        return TokenClassifier(["O", "B"], **given)
    kinds = {"answers": QuestionAnswerer, "masked words": MaskedLanguageModel}
    kinds |= {
        "both": PretrainingModel,
        "next sentence": NextSentencePredictor,
        "choices": MultipleChoice,
    }
    if subject in kinds:
        return kinds[subject](**given)
    options = {
        "several labels": {"class_names": 3, "problem_type": "multi_label_classification"},
        "numbers": {"class_names": 1, "problem_type": "regression"},
        "frozen": {"class_names": 2, "freeze_encoder": True},
    }
    return TextClassifier(**options.get(subject, {"class_names": 2}), **given)


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)


@pytest.fixture
def compare(monkeypatch):
    """A function: that a training of a new model gives the same, its batches filled or not."""

    def compare(subject, train):
        results, seen = [], []
        for is_filled in (True, False):
            monkeypatch.setattr(ahead, "fills", fills if is_filled else lambda model: False)
            model = make(subject)
            keep = model.compute_metrics

            def noted(x, y, y_pred, sample_weight=None, keep=keep):
                seen.append(isinstance(sample_weight, dict) and "is_example" in sample_weight)
                return keep(x, y, y_pred, sample_weight)

            model.compute_metrics = noted
            history = train(model)
            weights = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
            results.append((history.history, weights))
            assert any(seen) is is_filled
            seen.clear()
        (history, weights), (expected, others) = results
        assert history.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(history[name], values, rtol=1e-6, err_msg=name)
        weights, others = (np.concatenate(list(map(np.ravel, each))) for each in (weights, others))
        np.testing.assert_allclose(weights, others, rtol=1e-6, atol=1e-6 * np.abs(others).max())
        return history

    return compare


def by_hand(model, subject, weights=None, *, smoothing=0.0, accumulate=None, **options):
    """The step of plain gradient descent is the gradient."""
    x, *y = EXAMPLES[subject]
    loss = smoothed(model._loss_for(model._batches(model._read(x, *y), 4)), smoothing)
    metrics = getattr(model, "FIT_METRICS", {"metrics": metrics_for(loss)})
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=accumulate)
    model.compile(optimizer, loss, **metrics)
    options |= {"batch_size": 4, "verbose": 0, "sample_weight": weights}
    return model.fit(x, *y, **options)


@pytest.mark.parametrize("subject", EXAMPLES)
def test_loss_gradients_and_metrics_are_those_of_the_examples(subject, compare):
    weights = None if subject == "both" else WEIGHTS  # documents all weigh alike
    compare(subject, lambda model: by_hand(model, subject, weights))


@pytest.mark.parametrize("subject", ["classes", "several labels"])
def test_so_they_are_without_weights_and_where_keras_evaluates(subject, compare):
    held = EXAMPLES[subject]
    history = compare(subject, lambda model: by_hand(model, subject, validation_data=held))
    assert {"val_loss", "val_accuracy"} <= history.keys()


@pytest.mark.parametrize("metric", ["MeanSquaredError", "CategoricalAccuracy"])
def test_metrics_with_and_without_weights(metric, compare):
    x, y = EXAMPLES["several labels"]

    def train(model):
        metrics = {"metrics": [metric], "weighted_metrics": [metric]}
        model.compile(keras.optimizers.SGD(0.1), "mse", **metrics)
        return model.fit(x, y, batch_size=4, verbose=0, sample_weight=WEIGHTS)

    history = compare("several labels", train)
    assert len(history) == 3


@pytest.mark.parametrize("subject", ["classes", "answers"])
def test_so_they_are_with_accumulation_smoothing_and_weights_of_classes(subject, compare):
    options = {"accumulate": 2, "smoothing": 0.2}
    options |= {"class_weight": {0: 3.0, 1: 0.5}} if subject == "classes" else {}
    compare(subject, lambda model: by_hand(model, subject, **options))


def test_what_looks_at_all_rows_gets_no_others(monkeypatch):
    model = make("classes")

    def loss(labels, logits):
        return keras.ops.mean(keras.ops.square(logits))

    for given in ({"loss": loss}, {"loss": "mse", "metrics": [keras.metrics.F1Score()]}):
        model.compile("sgd", **given)
        model.fit(TEXTS, LABELS, batch_size=4, verbose=0)
        assert not fills(model)
    losses = keras.losses
    assert not any(map(_is_known_loss, [losses.dice, losses.Tversky(), losses.Circle()]))
    assert all(map(_is_known_loss, [losses.mean_squared_error, losses.BinaryCrossentropy()]))
    model.compile("sgd", "mse", metrics=["accuracy"])
    assert not fills(model)  # as its metrics are still to be made
    model.fit(TEXTS, LABELS, batch_size=4, verbose=0)
    assert fills(model)
    if keras.backend.backend() == "tensorflow":  # with no GPU, as many shapes as there are
        monkeypatch.setattr(hardware, "has_gpu", lambda: False)
        assert not fills(model)


@pytest.mark.parametrize("subject", ["classes", "tags", "answers", "masked words", "choices"])
def test_outputs_are_those_of_batches_of_any_size(subject):
    """Without a size a batch has as many tokens as suit the device."""
    model, x = make(subject), EXAMPLES[subject][0]
    if subject == "masked words":
        x = [text.replace("dull", "[MASK]", 1).replace("fine", "[MASK]", 1) for text in x[:4]]
    expected = model.predict(x, batch_size=1, verbose=0)
    outputs = model.predict(x, verbose=0)
    for ours, theirs in zip(*map(keras.tree.flatten, (outputs, expected)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
