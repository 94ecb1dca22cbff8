"""Models compute in the process that made them: a backend's threads do not survive a fork."""

import functools
import os
from collections.abc import Callable
from typing import Any

import keras

from kerasformer.errors import UserError

_process: int | None = None  # that made the first model


def check_process() -> None:
    """To be called wherever a model is made or computes.

    Raises:
        UserError: This process is a fork of one that had made a model. Whatever TensorFlow or JAX
            computes here would wait for ever for threads that only the other process has.
    """
    global _process
    _process = _process or os.getpid()
    if _process != os.getpid():
        raise UserError(
            f"This process is a fork of process {_process}, which had made a model, so that "
            "computing here would hang: make the models in the children alone, or start these with "
            "multiprocessing's 'spawn'."
        )


def _checked(method: Callable) -> Any:
    @functools.wraps(method)
    def checked(self, *args, **kwargs):
        check_process()
        return method(self, *args, **kwargs)

    return checked


class OwnProcess(keras.Model):
    """A Keras model that says so in a forked process, where any other one hangs."""

    def __init__(self, *args: Any, **kwargs: Any):
        check_process()
        super().__init__(*args, **kwargs)

    check_process = staticmethod(check_process)
    __call__ = _checked(keras.Model.__call__)
    fit = _checked(keras.Model.fit)
    evaluate = _checked(keras.Model.evaluate)
    predict = _checked(keras.Model.predict)
    train_on_batch = _checked(keras.Model.train_on_batch)
    test_on_batch = _checked(keras.Model.test_on_batch)
    predict_on_batch = _checked(keras.Model.predict_on_batch)
