"""The metrics against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from kerasformer.training import classification_metrics


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 200)
    probabilities = rng.dirichlet(np.ones(4), 200)
    return labels, probabilities


def test_they_equal_those_of_scikit_learn(predictions):
    labels, probabilities = predictions
    predicted = probabilities.argmax(axis=1)
    ours = classification_metrics(labels, probabilities, list("abcd"))
    report = sklearn_metrics.classification_report(
        labels, predicted, target_names=list("abcd"), output_dict=True
    )
    assert ours["accuracy"] == pytest.approx(report["accuracy"])
    assert ours["precision"] == pytest.approx(report["macro avg"]["precision"])
    assert ours["recall"] == pytest.approx(report["macro avg"]["recall"])
    assert ours["f1"] == pytest.approx(report["macro avg"]["f1-score"])
    assert ours["loss"] == pytest.approx(sklearn_metrics.log_loss(labels, probabilities))
    for row in ours["per_class"]:
        assert row["f1"] == pytest.approx(report[row["name"]]["f1-score"])
        assert row["support"] == report[row["name"]]["support"]
    np.testing.assert_array_equal(
        ours["confusion_matrix"], sklearn_metrics.confusion_matrix(labels, predicted)
    )


def test_a_class_that_is_never_predicted_counts_as_zero():
    metrics = classification_metrics([0, 1], [[1.0, 0.0], [1.0, 0.0]], ["a", "b"])
    assert metrics["per_class"][1] == {
        "name": "b", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1,
    }  # fmt: skip
    assert np.isfinite(metrics["loss"])


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="No examples"):
        classification_metrics([], np.zeros((0, 2)), ["a", "b"])
