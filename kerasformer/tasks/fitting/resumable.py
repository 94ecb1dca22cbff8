"""`fit` that goes on where it was ended: what it must have in common with the one before."""

import contextlib
import dataclasses
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasformer import __version__
from kerasformer.data.raw import TokenCorpus
from kerasformer.errors import UserError
from kerasformer.models.data_parallel import all_agree, is_first_process, wait_for_all
from kerasformer.models.distribution import devices
from kerasformer.training import Recipe
from kerasformer.training.callback_state import settings_of, with_state
from kerasformer.training.resume import Run, open_run

# Of a configuration what changes no number.
_LEFT_OUT = ("module", "registered_name", "build_config", "compile_config", "threshold")
_LONGEST = 60  # characters of a setting that is told


@contextlib.contextmanager
def resumed(
    task: Any,
    folder: str | os.PathLike | None,
    recipe: Recipe,
    train: Any,
    held: Any,
    size: int,
    *,
    verbose: Any,
    callbacks: Any,
    in_order: bool,
    steps: int | None,
    **arguments: Any,
) -> Iterator[Run | None]:
    """The training of a task whose checkpoints are in a folder, to be held while it runs.

    Args:
        task: The model, with its tokenizer.
        folder: The folder; None for no checkpoints, and no run.
        recipe: The hyperparameters.
        train, held: The examples to train and to evaluate on.
        size: How many to evaluate on a batch has.
        verbose: How much is shown, which changes no number.
        callbacks, **arguments: Given to `fit`.
        in_order, steps: `shuffle` and `steps_per_epoch` of it.

    Raises:
        UserError: As `open_run`; or not all processes found the same.
    """
    if folder is None:
        yield None
        return
    backend = keras.backend.backend()
    same: dict[str, Any] = {
        "kerasformer": __version__,
        "keras": keras.__version__,
        "backend": f"{backend} {getattr(sys.modules.get(backend), '__version__', '')}".strip(),
        "task": type(task).__name__,
        "pretrained encoder": getattr(getattr(task, "encoder", None), "origin", None),
        "number of devices": devices(task),
        "training data": digest(train),
        "validation data": digest(held),
    }
    arguments |= {"shuffle": not in_order, "steps_per_epoch": steps, "validation_batch_size": size}
    same |= _flat(dataclasses.asdict(recipe)) | _flat(arguments) | _flat(task.get_config())
    for number, callback in enumerate(with_state(callbacks)):
        same |= _flat({f"{type(callback).__name__} {number}": settings_of(callback)})
    if (compiled := task.get_compile_config()) is not None:  # by hand
        same |= _flat(compiled, "compile")
    settings = {name: _short(value) for name, value in same.items()}
    with _opened_by_all(folder, settings) as run:
        yield run


@contextlib.contextmanager
def _opened_by_all(folder: str | os.PathLike, settings: dict[str, Any]) -> Iterator[Run]:
    """As `open_run`, of which no process goes on, or waits for ever, where another one cannot."""
    run: Run | None = None
    problem: UserError | OSError | None = None
    with contextlib.ExitStack() as held:
        first = is_first_process()
        if not first:  # it looks when no other training writes, and before ours does
            wait_for_all("checkpoint found")
        try:
            if first:
                run = held.enter_context(open_run(folder, settings))
            else:
                run = Run(Path(folder), settings, writes=False)
        except (UserError, OSError) as error:
            problem = error
        if first:
            wait_for_all("checkpoint found")
        start = run and run.start and (run.start.path.name, run.start.state.to_json())
        same = all_agree(repr((run is None, settings, start)))
        if run is None and (first or isinstance(problem, UserError)):
            assert problem is not None
            raise problem
        if run is None or not same:
            raise UserError(
                f"The processes of this training do not find the same in {os.fspath(folder)}: give "
                "all of them the same examples and settings, and a folder that they share."
            )
        yield run


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dicts by their names joined with dots."""
    if not isinstance(config, Mapping):
        return {prefix: config}
    # The name of a layer or an optimizer: Keras counts them up within a process.
    is_named = "dtype" in config or "learning_rate" in config
    leaves: dict[str, Any] = {}
    for name, value in config.items():
        if name not in _LEFT_OUT and not (name == "name" and is_named):
            joined = prefix if name == "config" else f"{prefix}.{name}" if prefix else str(name)
            leaves |= _flat(value, joined)
    return leaves


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else hashlib.sha256(text.encode()).hexdigest()


def digest(value: Any) -> str:
    """The sha256 of examples: of texts, numbers and arrays in lists, tuples and dicts.

    >>> digest(["ab", "c"]) == digest(["a", "bc"])
    False
    """
    found = hashlib.sha256()
    _add(value, found)
    return found.hexdigest()


def _add(value, found):
    if isinstance(value, str):
        content = value.encode("utf-8", "surrogatepass")
        found.update(b"s%d:" % len(content) + content)
    elif isinstance(value, Mapping):
        _add(list(value.items()), found)
    elif dataclasses.is_dataclass(value):
        _add([getattr(value, field.name) for field in dataclasses.fields(value)], found)
    elif isinstance(value, list | tuple):
        found.update(b"l%d:" % len(value))
        for part in value:
            _add(part, found)
    elif isinstance(value, TokenCorpus):
        _add(value.fingerprint, found)
    elif value is None or isinstance(value, bool | int | float | bytes):
        _add(repr(value), found)
    else:
        array = np.asarray(value)
        if array.dtype.kind in "OUST":  # texts
            _add(array.tolist(), found)
        else:
            _add(f"{array.dtype} {array.shape}", found)
            found.update(np.ascontiguousarray(array).tobytes())
