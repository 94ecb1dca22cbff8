"""Models compute in the process that made them: a backend's threads do not survive a fork."""

import os

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
