"""Other people's formats: one module each, with its table of names, and the list of them."""

import importlib
import os
from pathlib import Path

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.errors import UserError
from kerasformer.sources import resolve

# Each module has `is_here(path)`, by the names of files alone, and `open_path(path)`.
# Where a folder has files of two formats, the first wins.
_FORMATS = (
    *("keras_file", "kerashub", "sentence_transformers", "huggingface"),
    *("savedmodel", "tf_checkpoint"),
)


def open_checkpoint(source: str | os.PathLike) -> Checkpoint:
    """Opens a published model of any format; nothing of it is run, and no tensor is read.

    Args:
        source: The folder or file, a preset's name or a handle; see `kerasformer.resolve`.

    Returns:
        The `Checkpoint`.

    Raises:
        UserError: There is no such source, it is in no format that can be read, or it is damaged.

    Example:

    >>> open_checkpoint("all-MiniLM-L6-v2").config.hidden_size  # doctest: +SKIP
    384
    """
    path: Path = resolve(source)
    for name in _FORMATS:
        module = importlib.import_module(f"{__name__}.{name}")
        if module.is_here(path):
            return module.open_path(path)
    raise UserError(
        f"{path} holds no model that can be read: expected a folder with config.json and "
        "safetensors (Hugging Face, sentence-transformers), a KerasHub preset, a .keras file, "
        "saved_model.pb (TF Hub), or bert_model.ckpt.index (TensorFlow)."
    )
