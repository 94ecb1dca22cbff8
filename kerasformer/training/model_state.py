"""The variables that training changes, as tensors of a checkpoint and back."""

import hashlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasformer.checkpoints.io.safetensors_file import PendingTensor
from kerasformer.errors import UserError
from kerasformer.training.callback_state import set_state, state_of, with_state
from kerasformer.training.checkpoint import Checkpoint, pending


class ModelState:
    """What training changes of a model, of its optimizer, its metrics and its callbacks.

    Of the model these are the trained variables, the random state, and all other weights that are
    not what they were at the start, such as the moving averages of a BatchNormalization. So a
    frozen encoder is left out.

    Args:
        model: The model, compiled, as it is when training starts.
        callbacks: All callbacks of the training.
    """

    def __init__(self, model: keras.Model, callbacks: Iterable[Any]):
        self._model = model
        self._callbacks = with_state(callbacks)
        self._changed: set[int] = set()  # indices of variables
        trained = set(map(id, model.trainable_variables))
        self._digests = {
            number: _digest(variable)
            for number, variable in enumerate(model.variables)
            if id(variable) not in trained
        }

    def _changing(self) -> list[int]:
        """The indices of the model's variables that a checkpoint needs, rising."""
        weights = set(map(id, self._model.weights))
        trained = set(map(id, self._model.trainable_variables))
        for number, variable in enumerate(self._model.variables):
            if number in self._changed:
                continue
            is_sure = id(variable) in trained or id(variable) not in weights
            if is_sure or self._digests[number] != _digest(variable):
                self._changed.add(number)
        return sorted(self._changed)

    def rest(self, changing: Iterable[int]) -> str:
        """The fingerprint of the model's other variables, which no checkpoint has."""
        digest, left_out = hashlib.sha256(), set(changing)
        for number, variable in enumerate(self._model.variables):
            if number not in left_out:
                digest.update(self._digests.get(number) or _digest(variable))
        return digest.hexdigest()

    def tensors(self, metrics: bool) -> tuple[list[PendingTensor], str]:
        """The tensors of a checkpoint, and the fingerprint of the variables that it leaves out.

        Args:
            metrics: Whether those of the metrics, which are as new at the start of an epoch.
        """
        changing = self._changing()
        variables = self._model.variables
        tensors = [_pending(f"model.{number}", variables[number]) for number in changing]
        for kind, state in self._others(metrics).items():
            tensors += [_pending(f"{kind}.{number}", one) for number, one in enumerate(state)]
        saved = {id(variables[number]) for number in changing}
        for number, best in self._best_weights():
            for place, weight in enumerate(self._model.weights):
                if id(weight) in saved:
                    tensors.append(pending(f"best.{number}.{place}", np.asarray(best[place])))
        return tensors, self.rest(changing)

    def _others(self, metrics: bool) -> dict[str, list]:
        optimizer: Any = self._model.optimizer
        if not optimizer.built:
            optimizer.build(self._model.trainable_variables)
        kinds = {"optimizer": optimizer.variables}
        return kinds | ({"metrics": self._model.metrics_variables} if metrics else {})

    def _best_weights(self) -> Iterable[tuple[int, Any]]:
        for number, callback in enumerate(self._callbacks):
            if (best := getattr(callback, "best_weights", None)) is not None:
                yield number, best

    def callbacks(self) -> list[dict[str, Any]]:
        """What the callbacks have seen so far, but for the weights of a best epoch."""
        return list(map(state_of, self._callbacks))

    def restore(self, checkpoint: Checkpoint, callbacks: bool = True) -> None:
        """Gives the model, and its callbacks, the state that a checkpoint has.

        Args:
            checkpoint: The checkpoint.
            callbacks: Whether that of callbacks too.

        Raises:
            UserError: It is of another model.
        """
        path, state, tensors = checkpoint
        variables = self._model.variables
        pairs = {f"model.{number}": variable for number, variable in enumerate(variables)}
        changing = [number for number in range(len(variables)) if f"model.{number}" in tensors]
        for kind, state_variables in self._others(metrics=state.step > 0).items():
            pairs |= {f"{kind}.{number}": one for number, one in enumerate(state_variables)}
        names = {
            name for name in tensors if name.split(".")[0] in ("model", "optimizer", "metrics")
        }
        needed = pairs.keys() - {f"model.{number}" for number in self._digests}
        if not needed <= names <= pairs.keys():
            raise UserError(f"{path} is of another model than this: give another folder.")
        if self.rest(changing) != state.rest:
            raise UserError(
                f"The training in {path.parent} had other weights that are not trained: load the "
                "same encoder, or give another folder."
            )
        for name in sorted(names):  # several processes assign together, so in one order
            _assign(pairs[name], name, checkpoint)
        self._changed |= set(changing)
        if callbacks:
            self._restore_callbacks(checkpoint)

    def _restore_callbacks(self, checkpoint: Checkpoint) -> None:
        path, state, tensors = checkpoint
        pairs = zip(self._callbacks, state.callbacks, strict=False)
        is_same = len(self._callbacks) == len(state.callbacks)
        if not is_same or not all(set_state(callback, seen) for callback, seen in pairs):
            raise UserError(f"{path} is of a training with other callbacks: give another folder.")
        for number, callback in enumerate(self._callbacks):
            names = [name for name in tensors if name.startswith(f"best.{number}.")]
            if names:
                best = [_value(weight) for weight in self._model.weights]
                for place, weight in enumerate(self._model.weights):
                    if (name := f"best.{number}.{place}") in tensors:
                        best[place] = _array(weight, name, checkpoint)
                callback.best_weights = best


def _value(variable: Any) -> np.ndarray:
    # Of a metric on several devices, the sum of theirs.
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable))


def _digest(variable: Any) -> bytes:
    array = np.ascontiguousarray(_value(variable))
    return hashlib.sha256(array.reshape(-1).view("uint8").data).digest()


def _pending(name: str, variable: Any) -> PendingTensor:
    dtype, shape = keras.backend.standardize_dtype(variable.dtype), tuple(variable.shape)
    return PendingTensor(name, dtype, shape, lambda: _value(variable))


def _array(variable: Any, name: str, checkpoint: Checkpoint) -> np.ndarray:
    """A tensor of a checkpoint, for a variable."""
    path, _, tensors = checkpoint
    dtype, shape = keras.backend.standardize_dtype(variable.dtype), tuple(variable.shape)
    if (tensors.dtype(name), tensors.shape(name)) != (dtype, shape):
        raise UserError(f"{path} is of another model than this: give another folder.")
    return tensors[name]


def _assign(variable: Any, name: str, checkpoint: Checkpoint) -> None:
    variable.assign(_array(variable, name, checkpoint))
