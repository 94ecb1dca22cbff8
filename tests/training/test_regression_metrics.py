"""The metrics of numbers against SciPy's and scikit-learn's."""

import json
import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from kerasformer.training import regression_metrics


@settings(max_examples=80, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(st.integers(-5, 5), st.floats(-1e3, 1e3).map(lambda x: round(x, 1))), min_size=1
    )
)
def test_they_equal_those_of_scipy_and_scikit_learn(pairs):
    targets, predictions = np.array(pairs, "float64").T
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = regression_metrics(targets, predictions)
        json.dumps(ours, allow_nan=False)
    assert ours["mse"] == pytest.approx(sklearn_metrics.mean_squared_error(targets, predictions))
    assert ours["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(targets, predictions))
    if len(pairs) > 1:
        assert ours["r2"] == pytest.approx(sklearn_metrics.r2_score(targets, predictions))
    for name, theirs in (("pearson", scipy.stats.pearsonr), ("spearman", scipy.stats.spearmanr)):
        if len(set(targets)) == 1:
            assert ours[name] is None
        elif len(set(predictions)) == 1:
            assert ours[name] == 0
        else:
            assert ours[name] == pytest.approx(theirs(targets, predictions).statistic, abs=1e-9)


def test_of_several_outputs_the_mean():
    rng = np.random.default_rng(5)
    targets, predictions = rng.normal(size=(2, 20, 3))
    ours = regression_metrics(targets, predictions)
    each = [regression_metrics(targets[:, i], predictions[:, i]) for i in range(3)]
    assert ours.pop("per_output") == each
    assert ours == {name: pytest.approx(np.mean([row[name] for row in each])) for name in each[0]}
    assert ours["r2"] == pytest.approx(sklearn_metrics.r2_score(targets, predictions))
    assert regression_metrics(targets[:, :1], predictions[:, :1]) == each[0]


def test_of_one_example_there_are_errors_alone():
    ours = regression_metrics([2.0], [1.0])
    assert ours == {"pearson": None, "spearman": None, "mse": 1.0, "mae": 1.0, "r2": None}


@pytest.mark.parametrize(
    ("targets", "predictions", "message"),
    [
        ([], [], "No examples"),
        ([1.0, 2.0], [1.0], "both must be"),
        ([1.0], [np.nan], "NaN or infinite"),
    ],
)
def test_what_does_not_fit_is_an_error(targets, predictions, message):
    with pytest.raises(ValueError, match=message):
        regression_metrics(targets, predictions)
