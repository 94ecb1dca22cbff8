"""Label smoothing against Keras' own, of one-hot labels."""

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.training.losses import cross_entropy, smoothed, takes_indices


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(size=(5, 3)).astype("float32") * 4


@pytest.mark.parametrize("smoothing", [0.1, 0.7])
@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.0, 2.0, 0.5, 3.0])])
def test_indices_are_smoothed_as_one_hot_labels_are(logits, smoothing, weights):
    labels = np.array([0, 2, 1, 1, 0])
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    expected = float(theirs(np.eye(3)[labels], logits, sample_weight=weights))
    for one_hot in (False, True):
        loss = smoothed(cross_entropy(one_hot), smoothing)
        given = np.eye(3)[labels] if one_hot else labels
        assert float(loss(given, logits, sample_weight=weights)) == pytest.approx(expected)


def test_probabilities_are_smoothed_too(logits):
    probabilities = keras.ops.softmax(logits)
    loss = smoothed(keras.losses.SparseCategoricalCrossentropy(), 0.1)
    theirs = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    labels = np.array([0, 2, 1, 1, 0])
    expected = float(theirs(np.eye(3)[labels], probabilities))
    assert float(loss(labels, probabilities)) == pytest.approx(expected, rel=1e-5)


def test_what_is_ignored_counts_for_nothing(logits):
    loss = smoothed(
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1), 0.2
    )
    some = loss(np.array([0, 2]), logits[:2])
    assert float(loss(np.array([0, 2, -1, -1, -1]), logits)) == pytest.approx(float(some))


def test_the_loss_comes_back_from_its_config():
    loss = smoothed(cross_entropy(one_hot=False), 0.3)
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
    assert copy.label_smoothing == 0.3
    assert takes_indices(copy)


def test_several_labels_and_several_losses_are_smoothed():
    both = smoothed({"start": cross_entropy(False), "end": keras.losses.BinaryCrossentropy()}, 0.2)
    assert [loss.get_config()["label_smoothing"] for loss in both.values()] == [0.2, 0.2]


def test_other_losses_are_refused():
    with pytest.raises(UserError, match="loss here is mean_squared_error: leave it at 0"):
        smoothed(keras.losses.MeanSquaredError(), 0.1)
