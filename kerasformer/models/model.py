"""What every model has beyond Keras' own."""

import contextlib
import threading
from typing import Any

import keras

from kerasformer.errors import UserError
from kerasformer.layers.quantization import HoldsQuantized
from kerasformer.models.config import INPUTS
from kerasformer.models.process import OwnProcess
from kerasformer.models.structure import Structure
from kerasformer.private_api import unknown_variables

# On JAX Keras gives the weights' buffers away to each step, and takes them back after it: another
# thread, whose model may share the encoder, would meanwhile find them deleted.
_ONE_AT_A_TIME = threading.RLock()


class Model(HoldsQuantized, OwnProcess):
    """A Keras model on token ids whose functions follow what is done to its layers.

    Quantization or LoRA of a layer within is seen by the next `fit`, `evaluate` and `predict`; by
    Keras' own, only what `quantize` of the whole model does. Arrays of ids are checked before they
    get into a graph.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._traced: dict[str, Structure] = {}

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

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, with arrays of ids checked."""
        self._check_ids(x)
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, with arrays of ids checked."""
        self._check_ids(x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, with arrays of ids checked."""
        self._check_ids(x)
        return super().predict(x, *args, **kwargs)

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, with arrays of ids checked."""
        self._check_ids(x)
        return super().train_on_batch(x, *args, **kwargs)

    def test_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, with arrays of ids checked."""
        self._check_ids(x)
        return super().test_on_batch(x, *args, **kwargs)

    def predict_on_batch(self, x: Any) -> Any:
        """As in Keras, with arrays of ids checked, and safe in threads on JAX too."""
        self._check_ids(x)
        with _ONE_AT_A_TIME if keras.backend.backend() == "jax" else contextlib.nullcontext():
            return super().predict_on_batch(x)

    def _check_ids(self, x):
        """Raises a ValueError for arrays of ids that the model's embedding has no vectors for."""
        inputs = x if isinstance(x, dict) else {"input_word_ids": x}
        ids = {name: inputs[name] for name in (INPUTS[0], INPUTS[2]) if name in inputs}
        embedding = getattr(getattr(self, "encoder", self), "embedding", None)
        if embedding is not None and ids and all(hasattr(each, "shape") for each in ids.values()):
            embedding.check_inputs(**ids)
