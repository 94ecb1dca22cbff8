"""A training that can be ended at any moment, and goes on where it was."""

import contextlib
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.files import locked, writing
from kerasformer.training.checkpoint import Checkpoint, CheckpointFolder, State
from kerasformer.training.interruption import Interruption
from kerasformer.training.model_state import ModelState

# A checkpoint within an epoch is written once so many seconds have passed since the last one, and
# any only when they have taken no more than this share of the time.
_SECONDS, _SHARE = 60.0, 0.05
_DIGITS = 64  # of a fingerprint


class Run:
    """A training whose checkpoints are in a folder; made by `open_run`.

    Attributes:
        folder: The folder.
        settings: What the numbers of the training follow from, by the names for messages.
        writes: Whether this process writes checkpoints, and not another one of the training.
        start: The checkpoint to go on from; None where there is none yet.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], writes: bool = True):
        self.folder = CheckpointFolder(folder)
        self.settings = dict(settings)
        self.writes = writes
        self.start = self.folder.newest()
        if self.start is not None:
            _refuse_change(folder, self.start.state.settings, self.settings)

    @property
    def finished(self) -> bool:
        """Whether the training has ended already."""
        return self.start is not None and self.start.state.finished

    def position(self, initial_epoch: int, epochs: int, batches: int) -> tuple[int, int]:
        """The epoch to go on in, counted from 0, and how many of its batches are done.

        Args:
            initial_epoch, epochs: The first epoch of the training, and that behind its last one.
            batches: Those of an epoch.

        Raises:
            UserError: The checkpoint is of none of these.
        """
        if self.start is None:
            return initial_epoch, 0
        path, state, _ = self.start
        if not (initial_epoch <= state.epoch <= epochs and state.step < batches):
            raise UserError(f"{path} is of no epoch of this training: give another folder.")
        return state.epoch, state.step


@contextlib.contextmanager
def open_run(folder: str | os.PathLike, settings: Mapping[str, Any]) -> Iterator[Run]:
    """A training as the only one that writes to a folder, which is created if missing.

    Args:
        folder: The folder.
        settings: What the numbers of the training follow from, ready for JSON.

    Raises:
        UserError: The folder cannot be written to, another process writes to it, its checkpoints
            are all damaged, or they are of a training with other settings.

    Example:

    >>> with open_run(getfixture("tmp_path") / "run", {"seed": 0}) as run:
    ...     run.finished
    False
    """
    path = Path(folder)
    with contextlib.ExitStack() as held:
        with writing(path, "give a folder that can be written to"):
            held.enter_context(locked(path, "training", patience=1))
        yield Run(path, settings)


def _refuse_change(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises a UserError that names the first setting that has changed."""
    for name in (*now, *before):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if _is_long(old) or _is_long(new):
            what = f"whose {name} is not the same"
        else:
            what = f"whose {name} is {old!r}, and not {new!r}"
        raise UserError(f"{folder} holds a training {what}: give the same, or another folder.")


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= _DIGITS


class Checkpoints(keras.callbacks.Callback):
    """Writes the checkpoints of a training, and gives it the state to go on from.

    It is to be the last of the callbacks: its checkpoints are of what is after theirs. One at the
    start of an epoch is of what is after `on_epoch_begin`.

    Args:
        run: The training.
        callbacks: All callbacks of it.
        interruption: Whether training is to end.
        done: The batches that the optimizer has seen before.
    """

    def __init__(
        self,
        run: Run,
        callbacks: list[keras.callbacks.Callback],
        interruption: Interruption,
        done: int,
    ):
        super().__init__()
        self._run, self._callbacks = run, callbacks
        self._interruption, self._done = interruption, done
        self._state: ModelState | None = None
        self._epoch = 0
        self._written, self._cost = time.monotonic(), 0.0
        self._failed = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Restores the state or writes the first checkpoint; later, one if it is time."""
        self._epoch = epoch
        if self._state is None:
            self._state = ModelState(self.model, self._callbacks)
            if self._run.start is None:
                self._write(0)
            else:
                self._state.restore(self._run.start)
                restore_history(self.model.history, self._run.start.state)
        elif self._interruption.requested or self._is_due(0.0):
            self._write(0)
        self._stop_if_asked()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes a checkpoint, if it is time."""
        done = batch + 1
        if done >= self.params["steps"]:
            return  # what is left is the end of the epoch: the next one follows soon
        if (self._interruption.requested or self._is_due(_SECONDS)) and not self._is_stopping():
            self._write(done)
            self._stop_if_asked()

    def finish(self) -> None:
        """Writes the last checkpoint, once the other callbacks have ended."""
        if self._state is None:  # there was no epoch
            self._state = ModelState(self.model, self._callbacks)
        self._epoch = self.params["epochs"]
        self._write(0, finished=True)

    def _is_stopping(self) -> bool:
        return bool(self.model.stop_training)

    def _is_due(self, least: float) -> bool:
        return time.monotonic() - self._written >= max(least, self._cost / _SHARE)

    def _stop_if_asked(self) -> None:
        if self._interruption.requested:
            folder = os.fspath(self._run.folder.path)
            if not self._run.writes:
                raise KeyboardInterrupt
            raise KeyboardInterrupt(
                f"Training was interrupted; the same fit with resume={folder!r} goes on "
                f"{self._place()}."
            )

    def _place(self) -> str:
        """Where the last good checkpoint is."""
        assert self._run.folder.last is not None  # the first one was written
        path, state = self._run.folder.last
        return f"from {path.name}, batch {state.step} of epoch {state.epoch + 1}"

    def _write(self, step: int, finished: bool = False) -> None:
        if not self._run.writes:
            self._written = time.monotonic()
            return
        assert self._state is not None
        started = time.monotonic()
        model = self.model  # on JAX this brings the variables up to date
        tensors, rest = self._state.tensors(metrics=step > 0)
        history = model.history
        state = State(
            settings=self._run.settings,
            epoch=self._epoch,
            step=step,
            finished=finished,
            done=self._done,
            history={name: list(map(_plain, values)) for name, values in history.history.items()},
            epochs=list(history.epoch),
            callbacks=self._state.callbacks(),
            rest=rest,
        )
        folder = self._run.folder
        try:
            folder.write(state, tensors)
        except OSError as error:
            reason = f"{folder.path} cannot be written to ({error.strerror or error})"
            if folder.last is None:
                raise UserError(f"{reason}: make room, or give another folder.") from None
            if finished:
                warnings.warn(
                    f"{reason}: training has ended, but its end is not in the folder, and would go "
                    f"on there {self._place()}; save the model elsewhere.",
                    stacklevel=2,
                )
            elif not self._failed:
                warnings.warn(
                    f"{reason}: training goes on without new checkpoints until there is room; the "
                    f"last one is {folder.last[0].name}.",
                    stacklevel=2,
                )
            self._failed = True
        self._written = time.monotonic()
        self._cost = self._written - started


def restore_history(history: keras.callbacks.History, state: State) -> None:
    """Gives a history the epochs that a checkpoint has."""
    values = state.history.items()
    history.history = {name: list(map(_as_logged, epochs)) for name, epochs in values}
    history.epoch = list(state.epochs)


def _plain(value: Any) -> Any:
    """A metric as JSON has it."""
    return value if isinstance(value, int | float) else np.asarray(value).tolist()


def _as_logged(value: Any) -> Any:
    return np.asarray(value, "float32") if isinstance(value, list) else value


def restore_finished(model: keras.Model, checkpoint: Checkpoint) -> keras.callbacks.History:
    """Gives a model, compiled, the state in which its training ended; the history of that."""
    ModelState(model, []).restore(checkpoint, callbacks=False)
    history = keras.callbacks.History()
    history.set_model(model)
    restore_history(history, checkpoint.state)
    model.history = history
    return history
