"""A SavedModel: found, known by its content, trusted, loaded, and its functions described.

A `.keras` file names the SavedModels that its layers run. A stranger's file may name anything, so
it may only name content that has run here before because a person made a layer on it. Each such
content is an empty file in the cache, `<root>/run-as-is/<fingerprint>`.
"""

import contextlib
import hashlib
import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasformer.checkpoints.io.tf_bundle import read_messages
from kerasformer.errors import UserError, require
from kerasformer.files import read_text, sha256_of
from kerasformer.sources.cache import default_root
from kerasformer.sources.resolve import resolve

_GRAPH = "saved_model.pb"
_VARIABLES = "variables/variables.index"
_ALL_THAT_RUNS = ("saved_model.*", "variables/**/*", "assets/**/*")
_trusted_by_this_process: set[str] = set()


def find_saved_model(source: str | os.PathLike) -> Path:
    """The folder of a SavedModel of TensorFlow 2, given it or a handle."""
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
    variables and the assets.
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


def trust(fingerprint: str) -> None:
    """Remembers that a person has run this content: without a writable cache, in this process."""
    _trusted_by_this_process.add(fingerprint)
    with contextlib.suppress(OSError):
        _trust_file(fingerprint).parent.mkdir(parents=True, exist_ok=True)
        _trust_file(fingerprint).touch()


def is_trusted(fingerprint) -> bool:
    """Whether a person has run this content; a file may give anything as its fingerprint."""
    if not isinstance(fingerprint, str) or not re.fullmatch(r"[0-9a-f]{64}", fingerprint):
        return False
    return fingerprint in _trusted_by_this_process or _trust_file(fingerprint).is_file()


def _trust_file(fingerprint: str) -> Path:
    return default_root() / "run-as-is" / fingerprint


def load_saved_model(folder: Path):
    """What `tf.saved_model.load` returns, with tensorflow_text's operations where it needs them."""
    import tensorflow as tf

    for path in folder.glob("**/*"):
        if not path.is_file() and not path.is_dir():  # a pipe, or a link to nowhere
            raise UserError(f"{path} is no regular file: fetch or export the SavedModel again.")
    if (folder / _VARIABLES).exists():
        read_messages(folder / _VARIABLES)  # TensorFlow ends the process where it is damaged
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
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(" .:")
        raise UserError(
            f"TensorFlow cannot load the SavedModel {folder} ({reason}): fetch or export it again."
        ) from None


def read_vocabulary(folder: Path) -> list[str]:
    """The vocabulary that a SavedModel carries as its one text file, in the order of the ids.

    Empty where it carries no text file, as with a SentencePiece model.
    """
    files = list((folder / "assets").glob("*.txt"))
    if len(files) != 1:
        return []
    # Not splitlines, which also splits at characters that are entries of a vocabulary.
    return read_text(files[0]).removesuffix("\n").split("\n")


class SavedFunction:
    """A part of a SavedModel, perhaps callable, and the first of its traces that can be used.

    `fits` says whether one can, given the nest of `TensorSpec` of its first argument. `inputs` and
    `outputs` are such nests, None where no trace fits; `variables` those that any trace reads.
    """

    def __init__(self, part: Any, fits: Callable[[Any], bool]):
        self.function: Any = part.__call__ if callable(part) else None
        self._traces = list(getattr(self.function, "concrete_functions", ()))
        self.inputs: Any = None
        self.outputs: Any = None
        for trace in self._traces:
            if fits(_first_argument(trace)):
                self.inputs, self.outputs = _first_argument(trace), trace.structured_outputs
                break
        variables = {id(v): v for trace in self._traces for v in trace.variables}
        self.variables = list(variables.values())

    @property
    def defaults(self) -> dict[str, Any]:
        """The default values of its arguments by name, `inspect.Parameter.empty` for none."""
        if not self._traces:
            return {}
        parameters = inspect.signature(self.function).parameters.values()
        return {parameter.name: parameter.default for parameter in parameters}

    def __str__(self):
        """What the function takes, in the words of an error message."""
        takes = dict.fromkeys(_describe(_first_argument(trace)) for trace in self._traces)
        return " or ".join(takes) or "nothing (it cannot be called)"


def is_text(spec: Any) -> bool:
    """Whether the specification of an argument is that of strings `[batch]`."""
    return getattr(spec, "dtype", None) == "string" and spec.shape.rank == 1


def _first_argument(trace):
    arguments, keywords = trace.structured_input_signature
    return arguments[0] if arguments else keywords


def _describe(spec) -> str:
    if isinstance(spec, dict):
        items = (f"{name} {_describe(spec[name])}" for name in sorted(spec))
        return "a dict with " + ", ".join(items)
    if isinstance(spec, list | tuple):
        return "a list of " + ", ".join(map(_describe, spec))
    if not hasattr(spec, "dtype"):
        return repr(spec)
    return f"{spec.dtype.name}{list(spec.shape) if spec.shape.rank is not None else ''}"
