"""Writing a TensorFlow SavedModel whole: a reader finds the old one or the new one."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras

from kerasformer.errors import UserError


def check_can_write(*folders: Path):
    """Raises a UserError where a folder has something else than a SavedModel, or TensorFlow is not
    the backend: before any work.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"Keras runs on {keras.backend.backend()}, and this export is written by TensorFlow: "
            "save the model, and load it again with KERAS_BACKEND=tensorflow."
        )
    for folder in folders:
        taken = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
        if taken and not (folder / "saved_model.pb").is_file():
            raise UserError(f"{folder} exists and is no SavedModel: give another folder.")


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[str]:
    """A new folder beside its place, renamed there at the end of the `with` block.

    Yields the path to write to. A folder that is there is replaced; after an error it is left as it
    was, with nothing beside it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        new, old = os.path.join(beside, "new"), os.path.join(beside, "old")
        yield new
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(new, folder)
        except BaseException:
            if os.path.exists(old):
                os.replace(old, folder)
            raise
