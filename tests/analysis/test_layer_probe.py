"""Linear probes: their folds, their scores beside scikit-learn's, and what is chosen of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from kerasformer.analysis.layer_features import LayerFeatures
from kerasformer.analysis.layer_probe import (
    FOLDS,
    STRENGTHS,
    Probe,
    choose,
    make_folds,
    probe_layers,
    usable_classes,
)
from kerasformer.errors import UserError


def noisy_features(rng, labels, signal, hidden=6):
    """Features of two layers, the classes `signal` apart in the second."""
    vectors = rng.normal(size=(len(labels), 2, hidden)).astype("float32")
    vectors[:, 1, 0] += signal * labels
    vectors[:, :, 1] *= 1000  # another unit, which standardising takes away
    return LayerFeatures({"mean": vectors}, ())


class Reference(ClassifierMixin, BaseEstimator):
    """What `fit_probe` says it is, step by step, for scikit-learn's cross-validation."""

    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, x, y):
        self.scaler, self.classes_ = StandardScaler().fit(x), np.unique(y)
        x = self.scaler.transform(x)
        inner = StratifiedKFold(3, shuffle=True, random_state=self.seed)
        losses = [
            [self._loss(C, x, y, learn, out) for learn, out in inner.split(x, y)] for C in STRENGTHS
        ]
        best = STRENGTHS[int(np.argmin(np.mean(losses, axis=1)))]
        self.model = LogisticRegression(C=best, max_iter=1000).fit(x, y)
        return self

    @staticmethod
    def _loss(C, x, y, learn, out):  # noqa: N803
        model = LogisticRegression(C=C, max_iter=1000).fit(x[learn], y[learn])
        chances = model.predict_proba(x[out])
        return -np.log(chances[np.arange(len(out)), np.searchsorted(model.classes_, y[out])]).mean()

    def predict(self, x):
        return self.model.predict(self.scaler.transform(x))


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_are_those_of_scikit_learn(rng, classes):
    labels = rng.integers(0, classes, 90)
    keys = np.arange(90)
    features = noisy_features(rng, labels, signal=1.5)
    done = []
    probes = probe_layers(features, labels, keys, seed=3, on_done=done.append)
    assert [(p.layers, p.pooling, p.width) for p in probes] == [(0, "mean", 6), (1, "mean", 6)]
    assert sum(done) == 2 * FOLDS
    folds = make_folds(labels, keys, seed=3)
    for layer, probe in enumerate(probes):
        vectors = features.of(layer, "mean").astype("float64")
        expected = cross_val_predict(Reference(3), vectors, labels, cv=PredefinedSplit(folds))
        np.testing.assert_array_equal(probe.correct, expected == labels)
        scores = [np.mean((expected == labels)[folds == fold]) for fold in range(FOLDS)]
        np.testing.assert_allclose(probe.fold_scores, scores)
        assert probe.accuracy == pytest.approx(np.mean(expected == labels))
        assert probe.std == pytest.approx(np.std(scores, ddof=1))
    assert probes[1].accuracy > probes[0].accuracy


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 30), min_size=20, max_size=80), st.integers(0, 3))
def test_duplicates_share_a_fold_and_classes_are_balanced(keys, seed):
    keys = np.array([*keys, *range(100, 120)])
    labels = np.array([key % 2 for key in keys])
    folds = make_folds(labels, keys, seed)
    for key in set(keys.tolist()):
        assert len(set(folds[keys == key].tolist())) == 1
    for name in (0, 1):
        _, first = np.unique(keys[labels == name], return_index=True)
        counts = np.bincount(folds[labels == name][first], minlength=FOLDS)
        assert counts.max() - counts.min() <= 1


def test_keys_of_bytes():
    keys = [bytes([n % 35, 0]) * 16 for n in range(70)]
    folds = make_folds(np.array([n % 35 % 2 for n in range(70)]), keys)
    assert len(set(zip(keys, folds.tolist(), strict=True))) == 35


def test_classes_need_a_different_text_for_each_fold():
    labels = np.array([0] * 5 + [1] * 5 + [2] * 4 + [3] * 6)
    keys = [*range(5), *range(5, 10), *range(10, 14), *([20] * 6)]
    assert usable_classes(labels, keys).tolist() == [0, 1]
    with pytest.raises(UserError, match="Of 4 classes 1 have 5 different texts"):
        usable_classes(labels, [*range(5), *([5] * 5), *range(10, 14), *([20] * 6)])


def made_probe(layers, correct, pooling="mean", width=8):
    scores = tuple(float(part.mean()) for part in np.array_split(correct, FOLDS))
    return Probe(layers, pooling, width, correct, scores)


def correlated(rng, accuracies, n=800, own=0.15):
    """Correct answers of probes that mostly err on the same texts."""
    difficulty = rng.random((n, 1))
    place = np.where(rng.random((n, len(accuracies))) < own, rng.random((n, 1)), difficulty)
    return [place[:, i] < accuracy for i, accuracy in enumerate(accuracies)]


def test_chance_seldom_beats_the_usual_choice():
    """Thirty probes that are equally good: the best one is ahead, and is not taken."""
    usual = ahead = 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        correct = rng.random((250, 30)) < 0.75
        probes = [made_probe(i, correct[:, i]) for i in range(30)]
        found = choose(probes, np.arange(250) % 2, "mean", seed)
        usual += found.chosen is found.usual is probes[29]
        lead = correct[:, :29].mean(axis=0).max() - correct[:, 29].mean()
        error = np.sqrt(2 * 0.75 * 0.25 / 250)
        ahead += lead > 1.96 * error  # what would pass for a discovery, looked at alone
    assert usual >= 21
    assert ahead >= 4


def test_a_layer_that_is_better_is_found_and_the_simplest_of_equals(rng):
    accuracies = [0.6, 0.8, 0.8, 0.7]
    labels = np.arange(800) % 2
    correct = correlated(rng, accuracies)
    probes = [made_probe(i, c) for i, c in enumerate(correct)]
    probes += [
        made_probe(2, correct[2], "max"),
        made_probe("sum_all", correct[2]),
        made_probe("concat_last_four", correct[2], width=32),
    ]
    found = choose(probes, labels, "mean")
    assert found.usual is probes[3]
    assert found.chosen is probes[2]  # the later one of two alike, with the model's own pooling
    assert found.best.accuracy == max(probe.accuracy for probe in probes)
    assert found.chance < 0.01
    assert found.informative
    assert choose(probes[::-1], labels, "mean").chosen is probes[2]
    assert choose(probes, labels, "max").chosen is probes[4]


def test_probes_that_know_nothing(rng):
    labels = (rng.random(600) < 0.3).astype(int)
    probes = [made_probe(i, rng.random(600) < 0.7) for i in range(10)]
    assert not choose(probes, labels, "mean").informative


def test_the_choice_is_repeatable_and_perfect_probes_are_no_trouble():
    labels = np.arange(40) % 2
    probes = [made_probe(i, np.ones(40, bool)) for i in range(3)]
    found = choose(probes, labels, "mean")
    assert found.chosen is found.best is found.usual is probes[2]
    assert found.chance == 1.0
    assert found.informative
