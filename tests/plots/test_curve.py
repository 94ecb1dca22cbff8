"""The curve of means: a PNG, and the error that it shows."""

import numpy as np
import pytest
from scipy import stats

from kerasformer.plots.curve import curve, standard_error


def test_it_is_drawn_with_and_without_a_level():
    values = [[0.6, 0.62, 0.61], [0.7, 0.68, 0.69]]
    labels = {"x_label": "Minutes", "y_label": "Accuracy"}
    plain = curve([5, 10], values, **labels)
    assert plain[1:4] == b"PNG"
    assert curve([5, 10], values, **labels, level=[0.5], level_label="random $w$") != plain


def test_the_standard_error_is_scipys():
    values = np.array([0.61, 0.64, 0.58, 0.6])
    assert standard_error(values) == pytest.approx(stats.sem(values))
