"""The metrics of several labels a text against scikit-learn's."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from kerasformer.training import multilabel_metrics

NAMES = ["new", "good", "long", "dull"]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    share=st.sampled_from([0.02, 0.3, 0.9]),
    threshold=st.sampled_from([0.1, 0.5, 0.97]),
    coarse=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_they_equal_those_of_scikit_learn(rows, share, threshold, coarse, seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, 4)) < share).astype("float32")
    probabilities = rng.random((rows, 4))
    if coarse:  # ties, and probabilities of exactly 0 and 1
        probabilities = probabilities.round(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = multilabel_metrics(labels, probabilities, NAMES, threshold)
        json.dumps(ours, allow_nan=False)
    predicted = probabilities >= threshold
    report = sklearn_metrics.classification_report(
        labels, predicted, target_names=NAMES, output_dict=True, zero_division=0
    )
    for prefix, average in (("", "macro"), ("micro_", "micro"), ("samples_", "samples")):
        for name, theirs in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
            assert ours[prefix + name] == pytest.approx(report[f"{average} avg"][theirs])
    assert ours["accuracy"] == sklearn_metrics.accuracy_score(labels, predicted)
    for i, row in enumerate(ours["per_class"]):
        theirs = report[row["name"]]
        assert (row["precision"], row["recall"], row["support"]) == (
            theirs["precision"], theirs["recall"], theirs["support"],
        )  # fmt: skip
        assert row["f1"] == theirs["f1-score"]
        one = labels[:, i], probabilities[:, i]
        if row["roc_auc"] is not None:
            assert row["roc_auc"] == sklearn_metrics.roc_auc_score(*one)
        assert (row["roc_auc"] is None) == (len(set(one[0])) == 1)
        if row["average_precision"] is not None:
            assert row["average_precision"] == sklearn_metrics.average_precision_score(*one)
        assert (row["average_precision"] is None) == (not one[0].any())
    if all(row["roc_auc"] is not None for row in ours["per_class"]):
        for name in ("roc_auc", "average_precision"):
            theirs = getattr(sklearn_metrics, f"{name}_score")(labels, probabilities)
            assert ours[name] == pytest.approx(theirs)


def test_the_loss_is_the_mean_binary_cross_entropy():
    rng = np.random.default_rng(1)
    labels, probabilities = rng.integers(0, 2, (30, 3)), rng.random((30, 3))
    losses = [
        sklearn_metrics.log_loss(labels[:, i], probabilities[:, i], labels=[0, 1]) for i in range(3)
    ]
    ours = multilabel_metrics(labels, probabilities, list("abc"))
    assert ours["loss"] == pytest.approx(np.mean(losses))


def test_each_class_may_have_its_own_threshold():
    ours = multilabel_metrics([[1, 1]], [[0.4, 0.6]], ["a", "b"], threshold=[0.4, 0.7])
    assert [row["recall"] for row in ours["per_class"]] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (np.zeros((0, 2)), np.zeros((0, 2)), "No examples"),
        ([0, 1], np.zeros((2, 2)), r"both must be \[n, 2\]"),
        (np.zeros((2, 2)), np.zeros((2, 3)), r"both must be \[n, 2\]"),
    ],
)
def test_what_does_not_fit_is_an_error(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        multilabel_metrics(labels, probabilities, ["a", "b"])
