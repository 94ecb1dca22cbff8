"""A cell of the table: a feature of Keras on a class. The rows register themselves here."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable

import keras
import numpy as np

from .subjects import FITTED, SUBJECTS, Subject


@dataclasses.dataclass(frozen=True)
class Row:
    """What Keras offers: a function that uses it and looks at the result, of these columns.

    Attributes:
        check: A function of a `Cell`.
        columns: Names of `SUBJECTS`.
        traced: Whether it needs graphs; without them, which take longest, the rest runs.
    """

    check: Callable
    columns: tuple[str, ...]
    traced: bool


ROWS: dict[str, Row] = {}


def row(name, columns=FITTED, *, traced=False):
    """Adds the function below to the table."""

    def add(check):
        ROWS[name] = Row(check, tuple(columns), traced)
        return check

    return add


@functools.cache
def _shared(name):
    return SUBJECTS[name].model()


@dataclasses.dataclass(frozen=True)
class Cell:
    """A feature on a class: `model` is fitted by many cells, `fresh()` is this one's own."""

    name: str
    folder: pathlib.Path

    @property
    def subject(self) -> Subject:
        return SUBJECTS[self.name]

    @property
    def model(self) -> keras.Model:
        return _shared(self.name)

    def fresh(self, dtype=None, **compile_options) -> keras.Model:
        return self.subject.model(dtype, **compile_options)

    def fit(self, model=None, **options) -> keras.callbacks.History:
        x, y = self.subject.x, self.subject.y
        defaults = {"x": x, "y": y, "batch_size": 2, "epochs": 1, "verbose": 0}
        return (model or self.model).fit(**defaults | options)

    def predict(self, model=None, x=None) -> list[np.ndarray]:
        x = self.subject.x if x is None else x
        outputs = (model or self.model).predict(x, batch_size=2, verbose=0)
        return [np.asarray(output, "float32") for output in keras.tree.flatten(outputs)]

    def evaluate(self, model=None, **options) -> dict[str, float]:
        x, y = self.subject.x, self.subject.y
        defaults = {"x": x, "y": y, "batch_size": 2, "verbose": 0, "return_dict": True}
        return (model or self.model).evaluate(**defaults | options)

    def weights_like(self, values):
        """Weights of the examples, in the structure of the labels."""

        def weights(labels):
            axes = labels.ndim if labels.dtype.kind == "i" else 1
            array = np.reshape(np.asarray(values, "float32"), (-1, *[1] * (axes - 1)))
            return np.broadcast_to(array, labels.shape[:axes])

        return keras.tree.map_structure(weights, self.subject.y)


def assert_same(one, other, atol=1e-5):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


def assert_finite(arrays):
    assert all(np.isfinite(array).all() for array in arrays)


def half(data, rows):
    return data[rows] if not isinstance(data, dict) else {k: v[rows] for k, v in data.items()}
