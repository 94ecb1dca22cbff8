"""What every model has beyond Keras' own."""

import functools
from collections.abc import Callable
from typing import Any

import keras

from kerasformer.errors import UserError
from kerasformer.layers.embedding import check_ids
from kerasformer.layers.kernels import use_kernels
from kerasformer.layers.quantization import HoldsQuantized
from kerasformer.models.config import INPUTS
from kerasformer.models.data_parallel import SpreadRows, check_devices
from kerasformer.models.forward import begin, fetched
from kerasformer.models.onednn import training_kernels
from kerasformer.models.process import check_process
from kerasformer.models.structure import Structure
from kerasformer.private_api import UnevenReplicas, unknown_variables


def _checked(method: Callable) -> Any:
    """A method of Keras' models that first looks at the process, the devices and the ids given."""

    @functools.wraps(method)
    def checked(self, *args, **kwargs):
        self.check_batch(args[0] if args else kwargs.get("x"))
        return method(self, *args, **kwargs)

    return checked


class Model(HoldsQuantized, UnevenReplicas, SpreadRows):
    """A Keras model on token ids whose functions follow what is done to its layers.

    Quantization or LoRA of a layer within is seen by the next `fit`, `evaluate` and `predict`; by
    Keras' own, only what `quantize` of the whole model does. Arrays of ids are checked before they
    get into a graph. In a forked process, where any other model hangs, this one says so.
    """

    check_process = staticmethod(check_process)

    def __init__(self, **kwargs: Any):
        check_process()
        super().__init__(**kwargs)
        self._traced: dict[str, Structure] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As of any Keras model."""
        check_process()
        return super().__call__(*args, **kwargs)

    def _is_outdated(self, function: str) -> bool:
        """Whether the model has changed since this was last asked of one of its functions."""
        now = Structure(self)
        before, self._traced[function] = self._traced.get(function), now
        return now != before

    def make_train_function(self, force: bool = False) -> Any:
        """As in Keras, and anew where the model's layers have changed.

        Raises:
            UserError: The optimizer cannot train what has been added since it began.
        """
        optimizer = getattr(self, "optimizer", None)
        if new := unknown_variables(optimizer, self.trainable_variables):
            raise UserError(
                f"The optimizer began before {new[0].path} was trained, which LoRA or a layer's "
                "trainable has added since: compile the model again."
            )
        return super().make_train_function(self._is_outdated("train") or force)

    def make_test_function(self, force: bool = False) -> Any:
        """As in Keras, and anew where the model's layers have changed."""
        return super().make_test_function(self._is_outdated("test") or force)

    def make_predict_function(self, force: bool = False) -> Any:
        """As in Keras, and anew where the model's layers have changed."""
        return super().make_predict_function(self._is_outdated("predict") or force)

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, on the kernels for training."""
        with use_kernels(training_kernels()):
            return super().train_step(*args, **kwargs)

    fit = _checked(keras.Model.fit)
    evaluate = _checked(keras.Model.evaluate)
    predict = _checked(keras.Model.predict)
    train_on_batch = _checked(keras.Model.train_on_batch)
    test_on_batch = _checked(keras.Model.test_on_batch)

    def predict_on_batch(self, x: Any) -> Any:
        """As in Keras, with arrays of ids checked, and safe in threads on JAX too."""
        return fetched(begin(self, x))

    def check_batch(self, x: Any) -> None:
        """Raises an error where the model cannot compute a batch here.

        Raises:
            UserError: This is a forked process, or Keras' distribution is another one.
            ValueError: The batch has ids that the model's embedding has no vectors for.
        """
        check_process()
        check_devices(self)
        inputs = x if isinstance(x, dict) else {"input_word_ids": x}
        ids = {name: inputs[name] for name in (INPUTS[0], INPUTS[2]) if name in inputs}
        embedding = getattr(getattr(self, "encoder", self), "embedding", None)
        if embedding is None or not ids or not all(hasattr(one, "shape") for one in ids.values()):
            return
        if isinstance(embedding, keras.layers.Embedding):  # of words, whatever their number
            check_ids(INPUTS[0], ids[INPUTS[0]], embedding.input_dim)
        else:
            embedding.check_inputs(**ids)
