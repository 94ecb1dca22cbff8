"""A SavedModel's folder: found, known by its content, loaded."""

import hashlib
import os
from pathlib import Path

from kerasformer.errors import UserError, require
from kerasformer.files import read_text, sha256_of
from kerasformer.sources.resolve import resolve

_GRAPH = "saved_model.pb"
_ALL_THAT_RUNS = ("saved_model.*", "variables/**/*", "assets/**/*")


def find_saved_model(source: str | os.PathLike) -> Path:
    """The folder of a SavedModel of TensorFlow 2.

    Args:
        source: The folder, or a handle that `kerasformer.resolve` takes.

    Raises:
        UserError: There is none, or it holds something else.
    """
    folder = resolve(source)
    if (folder / "tfhub_module.pb").exists():
        raise UserError(
            f"{source} is in TF Hub's format for TensorFlow 1 (it has a tfhub_module.pb), which "
            "Keras 3 cannot call: use the model's TensorFlow 2 version."
        )
    if not (folder / _GRAPH).is_file():
        raise UserError(
            f"{source} is no SavedModel, as it has no {_GRAPH}: give the folder or the handle of "
            "a TensorFlow 2 SavedModel."
        )
    return folder


def content_fingerprint(folder: Path) -> str:
    """A SavedModel's sha256: of the names and contents of all that running it reads.

    It is that of the lines `<sha256 of a file> <its name>`, sorted by name, over the graph, the
    variables and the assets. A UserError where a file cannot be read.
    """
    paths = {path for pattern in _ALL_THAT_RUNS for path in folder.glob(pattern)}
    files = {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}
    try:
        lines = [f"{sha256_of(files[name])} {name}\n" for name in sorted(files)]
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be read ({error.strerror}): it is a part of a SavedModel."
        ) from None
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def load_saved_model(folder: Path):
    """What `tf.saved_model.load` returns.

    Raises:
        UserError: TensorFlow cannot load it, or it needs operations of tensorflow_text, which is
            not installed.
    """
    import tensorflow as tf

    try:
        try:
            return tf.saved_model.load(os.fspath(folder))
        except Exception as error:
            if "Op type not registered" not in str(error):
                raise
        require("tensorflow_text", extra="hub")  # registers its operations
        return tf.saved_model.load(os.fspath(folder))
    except UserError:
        raise
    except Exception as error:  # whatever TensorFlow stumbles over in a broken file
        raise UserError(
            f"TensorFlow cannot load the SavedModel {folder} ({first_line(error)}): fetch or "
            "export it again."
        ) from None


def first_line(error: Exception) -> str:
    """The first line of what TensorFlow says, without its full stop, in at most 200 characters."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(" .:")


def read_vocabulary(folder: Path) -> list[str]:
    """The vocabulary that a SavedModel carries as its one text file, in the order of the ids.

    Empty where it carries no text file, as with a SentencePiece model.
    """
    files = list((folder / "assets").glob("*.txt"))
    if len(files) != 1:
        return []
    # Not splitlines, which also splits at characters that are entries of a vocabulary.
    return read_text(files[0]).removesuffix("\n").split("\n")
