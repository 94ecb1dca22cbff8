"""Training that learns nothing, and ordinary training, which nobody is warned of."""

import warnings

import keras
import numpy as np
import pytest

from kerasformer.tasks import TransformerClassifier

pytestmark = pytest.mark.usefixtures("eager")

TEXTS = ["a fine film", "so dull", "fine", "truly dull acting"] * 10
LABELS = np.array([1, 0] * 20)


def warned(model, texts=TEXTS, labels=LABELS, **options):
    """What `fit` warns of."""
    recipe = model.recipe.change(batch_size=8, epochs=options.pop("epochs", 4))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model.fit(texts, labels, recipe=recipe, verbose=0, **options)
    messages = [str(one.message) for one in seen if "This Transformer" in str(one.message)]
    assert not any("\n" in message for message in messages)
    return messages


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return TransformerClassifier(["bad", "good"], 60, 8, 8, num_heads=2)


def test_ordinary_training_is_not_warned_of(model):
    assert warned(model, validation_data=(TEXTS, LABELS)) == []


@pytest.mark.parametrize("kind", ["few texts", "one epoch", "one class", "class weights"])
def test_ordinary_short_training_is_not_warned_of(model, kind):
    options = {
        "few texts": {"texts": TEXTS[:4], "labels": [1, 0, 1, 0], "epochs": 1},
        "one epoch": {"epochs": 1, "learning_rate": 1e-5},
        "one class": {"labels": np.zeros(40, "int32")},
        "class weights": {"class_weight": {0: 9.0, 1: 9.0}},
    }[kind]
    assert warned(model, **options) == []


def test_one_class_for_all_that_is_evaluated_on(model):
    model.fit(TEXTS[:4], LABELS[:4], epochs=1, verbose=0)  # learns a vocabulary
    model.head.kernel.assign(np.zeros((8, 2)))
    model.head.bias.assign([0.0, 3.0])
    options = {"learning_rate": 1e-4, "restart": True, "epochs": 5}
    (message,) = warned(model, validation_data=(TEXTS, LABELS), **options)
    assert "predicts the class 'good' for all of 40 validation examples: try a l" in message
    assert "learning_rate below 0.0001, a longer warmup (warmup_ratio), more epochs" in message
    (message,) = warned(model, **options)
    assert "predicts the class 'good' for all of 40 training examples" in message


def test_a_loss_that_does_not_fall_below_the_entropy(model):
    labels = np.random.default_rng(0).permutation(LABELS)
    texts = [text for text in TEXTS[:4] for _ in range(10)]
    (message,) = warned(model, texts, labels, learning_rate=1e-6, epochs=5)
    assert "no less than the 0.693 of giving each class its share whatever the text" in message or (
        "for all of 40 training examples" in message
    )


def test_weights_that_did_not_change(model):
    (message,) = warned(model, learning_rate=0.0)
    assert "has the weights that it had before these 20 steps: give a learning_rate abo" in message


def test_gradients_that_reach_hardly_any_weight(model):
    norm = model.blocks[-1].output_layer_norm  # through which nothing gets any more
    norm.gamma.assign(np.zeros(8))
    norm.trainable = False
    (message,) = warned(model, epochs=1)
    assert "got no gradient for" in message
    assert "such as transformer_classifier" in message
