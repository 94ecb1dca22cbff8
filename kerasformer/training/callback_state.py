"""What Keras' callbacks remember between epochs, as something that can be written."""

from collections.abc import Iterable
from typing import Any

import keras

from kerasformer.training.budget import Budget, Milestones

# The attributes in which these, and their children, keep what they have seen.
_STATES: dict[type, tuple[str, ...]] = {
    Budget: ("seconds", "steps"),
    Milestones: ("passed",),
    keras.callbacks.EarlyStopping: ("best", "best_epoch", "stopped_epoch", "wait"),
    keras.callbacks.ModelCheckpoint: ("best",),
    keras.callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
}
_HARMLESS = ("verbose", "filepath")  # change no number


def with_state(callbacks: Iterable[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
    """Those of the callbacks that have a state."""
    return [one for one in callbacks if _names(one)]


def _names(callback):
    kinds = (names for kind, names in _STATES.items() if isinstance(callback, kind))
    return next(kinds, ())


def settings_of(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """The arguments that a callback with a state was made with.

    >>> settings_of(keras.callbacks.EarlyStopping(patience=2))["patience"]
    2
    """
    left_out = (*_names(callback), *_HARMLESS)
    found: dict[str, Any] = {
        name: value
        for name, value in sorted(vars(callback).items())
        if isinstance(value, int | float | str) and name[0] != "_" and name not in left_out
    }
    if "min_delta" in found:  # Keras changes its sign, once it knows which values are better
        found["min_delta"] = abs(found["min_delta"])
    return found


def state_of(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """What a callback has seen so far, but for the weights of a best epoch.

    >>> state_of(keras.callbacks.EarlyStopping(patience=2))["wait"]
    0
    """
    values = {name: getattr(callback, name, None) for name in _names(callback)}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value):
    return value.item() if hasattr(value, "item") else value  # of numpy


def set_state(callback: keras.callbacks.Callback, state: dict[str, Any]) -> bool:
    """Gives a callback what `state_of` gave of another one; False where it is nothing of it."""
    if state.keys() != set(_names(callback)):
        return False
    if not all(isinstance(value, int | float | None) for value in state.values()):
        return False
    for name, value in state.items():
        setattr(callback, name, value)
    return True
