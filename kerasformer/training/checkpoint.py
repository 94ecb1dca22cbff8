"""Checkpoints of a training: a file each, of which a folder keeps the last two."""

import dataclasses
import json
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasformer.checkpoints.io.safetensors_file import (
    PendingTensor,
    SafetensorsTensors,
    is_as_written,
    open_tensors,
    writing_tensors,
)
from kerasformer.checkpoints.tensors import READABLE
from kerasformer.errors import UserError
from kerasformer.files import parse_json

_NAME = re.compile(r"checkpoint-(\d{6,18})\.safetensors", re.ASCII)
_STATE = "state"  # the tensor that holds what is no tensor, as JSON


@dataclasses.dataclass(frozen=True)
class State:
    """What a checkpoint says beside its tensors.

    Attributes:
        settings: What the numbers of the training follow from, by the names for messages.
        epoch: The epoch, counted from 0, that training is in, or after its end is behind.
        step: How many batches of the epoch are done.
        finished: Whether training has ended.
        done: The batches that the optimizer had seen before training began.
        history: The metrics of the epochs so far, as of `keras.callbacks.History`.
        epochs: These epochs.
        callbacks: What the callbacks that have a state say of it, in their order.
        rest: The fingerprint of the model's variables that are not among the tensors.
    """

    settings: dict[str, Any]
    epoch: int
    step: int
    finished: bool
    done: int
    history: dict[str, list]
    epochs: list[int]
    callbacks: list[dict[str, Any]]
    rest: str

    @classmethod
    def from_json(cls, content: str | bytes, source: Any) -> "State":
        """Reads what `to_json` wrote.

        Raises:
            UserError: It is something else.
        """
        value = parse_json(content, source)
        kinds = {"settings": dict, "epoch": int, "step": int, "finished": bool, "done": int}
        kinds |= {"history": dict, "epochs": list, "callbacks": list, "rest": str}
        sound = {name: type(part) for name, part in value.items()} == kinds
        sound = sound and all(map(_are_metrics, value["history"].values()))
        sound = sound and all(map(_is_plain, value["settings"].values()))
        sound = sound and all(type(part) is int for part in value["epochs"])
        sound = sound and all(type(part) is dict for part in value["callbacks"])
        counts = [value["epoch"], value["step"], value["done"]] if sound else [-1]
        if not sound or not all(0 <= count < 2**63 for count in counts):
            raise UserError(f"{source} holds no state of a training.")
        return cls(**value)

    def to_json(self) -> str:
        """As JSON, which holds every number to the bit."""
        return json.dumps(dataclasses.asdict(self))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _are_metrics(values: Any) -> bool:
    """Whether they are those of each epoch: numbers, or arrays of numbers."""
    if type(values) is not list:
        return False
    try:
        arrays = [np.asarray(value, "float64") for value in values]
    except (ValueError, TypeError, OverflowError):
        return False
    return all(isinstance(v, int | float) or a.ndim for v, a in zip(values, arrays, strict=True))


class Checkpoint(NamedTuple):
    """What a file holds: its state, and the tensors, each read when it is asked for."""

    path: Path
    state: State
    tensors: SafetensorsTensors


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint that `CheckpointFolder.write` wrote.

    Raises:
        UserError: It is damaged.
    """
    tensors = open_tensors(path)
    (save_id,) = tensors.save_ids or {""}
    try:
        is_whole = bool(save_id) and is_as_written(path, save_id)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from None
    if not is_whole or _STATE not in tensors or tensors.dtype(_STATE) != "uint8":
        raise UserError(f"{path} is damaged, or no checkpoint of a training.")
    return Checkpoint(path, State.from_json(tensors[_STATE].tobytes(), path), tensors)


class CheckpointFolder:
    """The checkpoints of one training.

    Args:
        path: The folder, which is there.

    Attributes:
        path: Likewise.
        last: The newest checkpoint that is good, as its path and its state; or None.

    Example:

    >>> folder = CheckpointFolder(getfixture("tmp_path"))
    >>> state = State({"seed": 0}, 1, 20, False, 0, {"loss": [0.7]}, [0], [], "")
    >>> folder.write(state, [pending("model.0", np.ones(3))])
    >>> folder.newest().state.history
    {'loss': [0.7]}
    """

    def __init__(self, path: Path):
        self.path = path
        self.last: tuple[Path, State] | None = None

    def _files(self) -> dict[int, Path]:
        """By their numbers, rising."""
        found = ((_NAME.fullmatch(path.name), path) for path in self.path.iterdir())
        return dict(sorted((int(name[1]), path) for name, path in found if name))

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint, or where it is damaged the one before; None where there is none.

        Raises:
            UserError: All are damaged.
        """
        problem = None
        for path in reversed(self._files().values()):
            try:
                checkpoint = read_checkpoint(path)
            except UserError as error:
                problem = problem or str(error).rstrip(".")
                continue
            if problem:
                warnings.warn(
                    f"{problem}; {path}, which was written before it, is taken.", stacklevel=2
                )
            self.last = path, checkpoint.state
            return checkpoint
        if problem:
            raise UserError(f"{problem}; {self.path} holds no other checkpoint: give a new folder.")
        return None

    def write(self, state: State, tensors: Iterable[PendingTensor]) -> None:
        """Writes a checkpoint, and removes all but it and the last good one before it.

        Raises:
            OSError: The file cannot be written. The checkpoints before it are as they were.
        """
        files = self._files()
        path = self.path / f"checkpoint-{max(files, default=0) + 1:06}.safetensors"
        said = pending(_STATE, np.frombuffer(state.to_json().encode(), "uint8"))
        with writing_tensors(path, [*tensors, said], dtypes=READABLE):
            pass
        before = self.last and self.last[0]
        self.last = path, state
        for old in files.values():
            if old != before:
                old.unlink(missing_ok=True)


def pending(name: str, array: np.ndarray) -> PendingTensor:
    """An array, to be written under a name."""
    return PendingTensor(name, array.dtype.name, array.shape, lambda: array)
