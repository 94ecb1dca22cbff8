"""Models around a task, which compute something else of its layers than it does."""

from typing import Any, TypeVar

import keras

from kerasformer.models.model import Model


class TaskWrapper(Model):
    """A model that computes something else of a task's layers than the task does.

    Args:
        task: The task.
    """

    def __init__(self, task: keras.Model):
        super().__init__()
        self.task = task
        self.built = True

    @property
    def encoder(self) -> Any:
        """The encoder or decoder of the task."""
        return self.task.encoder


_Kind = TypeVar("_Kind", bound=TaskWrapper)


class Wrappers:
    """The wrappers of a task, the same ones as long as they can be, so that they are traced once.

    It is no model, nor a dict: Keras would take them for layers of the task, which is one of
    theirs.

    Args:
        task: The task.
    """

    def __init__(self, task: keras.Model):
        self._task = task
        self._made: dict[tuple[type, bool | None], Any] = {}

    def get(self, kind: type[_Kind], jit_compile: bool | None = None) -> _Kind:
        """The wrapper of a kind, compiled by XLA or not; by default as Keras would have it."""
        if (kind, jit_compile) not in self._made:
            self._made[kind, jit_compile] = made = kind(self._task)
            made.jit_compile = jit_compile
        return self._made[kind, jit_compile]
