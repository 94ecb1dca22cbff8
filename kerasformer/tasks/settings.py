"""The settings of a task that a folder keeps beside its weights."""

from collections.abc import Iterable
from typing import Any

from kerasformer.checkpoints import Checkpoint


def settings_of(task: Any, names: Iterable[str]) -> dict[str, Any]:
    """Those arguments of a task, by its `get_config`, that are not None."""
    config = task.get_config()
    return {name: config[name] for name in names if config[name] is not None}


def read_settings(checkpoint: Checkpoint, names: Iterable[str]) -> dict[str, Any]:
    """The arguments of these names that a folder has.

    Where it says more tokens than its encoder takes, they are as many as that takes.
    """
    own: dict[str, Any] = {n: checkpoint.settings[n] for n in names if n in checkpoint.settings}
    if "max_length" in own:
        own["max_length"] = min(own["max_length"], checkpoint.config.max_length)
    return own
