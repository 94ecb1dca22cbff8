"""Which format a folder or a file is in: the one list of the formats that can be read."""

import importlib
from pathlib import Path

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.errors import UserError

# Each module has `is_here(path)`, by the names of files alone, and `open_checkpoint(path)`.
# Where a folder has files of two formats, the first wins.
_FORMATS = (
    *("keras_file", "kerashub", "sentence_transformers", "huggingface"),
    *("savedmodel", "tf_checkpoint"),
)


def open_path(path: Path) -> Checkpoint:
    """Opens a folder or file in whichever format it is; see `open_checkpoint`.

    Args:
        path: The folder or file.

    Raises:
        UserError: It is in none of the formats, or not sound.
    """
    for name in _FORMATS:
        module = importlib.import_module(f"kerasformer.checkpoints.{name}")
        if module.is_here(path):
            return module.open_checkpoint(path)
    raise UserError(
        f"{path} holds no model that can be read: expected a folder with config.json and "
        "safetensors (Hugging Face, sentence-transformers), a KerasHub preset, a .keras file, "
        "saved_model.pb (TF Hub), or bert_model.ckpt.index (TensorFlow)."
    )
