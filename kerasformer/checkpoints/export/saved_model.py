"""Writing TensorFlow SavedModels in one step."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras

from kerasformer.errors import UserError
from kerasformer.transaction import saving

_GRAPH = "saved_model.pb"
_OTHER_FILES = ("fingerprint.pb", "keras_metadata.pb", "variables/*", "assets/*", "assets.extra/*")


def check_can_write(*folders: Path):
    """Raises a UserError where a folder has something else than a SavedModel, or TensorFlow is not
    the backend: before any work.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"Keras runs on {keras.backend.backend()}, and this export is written by TensorFlow: "
            "save the model, and load it again with KERAS_BACKEND=tensorflow, where TensorFlow is "
            "installed (pip install tensorflow)."
        )
    for folder in folders:
        taken = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
        if taken and not (folder / _GRAPH).is_file():
            raise UserError(f"{folder} exists and is no SavedModel: give another folder.")


@contextlib.contextmanager
def saving_saved_models(folder: Path, *names: str) -> Iterator[Path]:
    """`transaction.saving` of a SavedModel, or of several, each in a folder of its name.

    Raises:
        UserError: The folder cannot be written to, by TensorFlow either.
    """
    import tensorflow as tf

    places = [Path(name) for name in names or (".",)]
    last = [(place / _GRAPH).as_posix() for place in places]
    obsolete = [(place / pattern).as_posix() for place in places for pattern in _OTHER_FILES]
    with saving(folder, last, obsolete) as new:
        try:
            yield new
        except tf.errors.OpError as error:
            reason = error.message.partition(" [Op:")[0].rpartition("; ")[2]
            raise OSError(0, " ".join(reason.split())[:200]) from None
