"""The error that a person's own mistake raises, and the import of optional packages."""

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator
from typing import Any

from kerasformer.formatting import readable

# What errors of TensorFlow and JAX say of memory: full disks are "exhausted" too.
_NO_MEMORY = {
    "ResourceExhaustedError": r"OOM|[Mm]emory",
    "JaxRuntimeError": r"RESOURCE_EXHAUSTED.*[Mm]emory",
    "XlaRuntimeError": r"RESOURCE_EXHAUSTED.*[Mm]emory",
}


class UserError(ValueError):
    """A mistake in what a person gave: a path, a column, a file, an option.

    Its text is one sentence that says what was given, what was expected and what to do. The
    command line prints it alone, without a stack trace, and exits with status 2. What a file or a
    server has put into it cannot steer a terminal: it is on one line, with escapes.

    >>> str(UserError("The model type is 'bert\\x1b[2J'."))
    "The model type is 'bert\\\\x1b[2J'."
    """

    def __init__(self, sentence: str):
        super().__init__(readable(sentence))


class DivergenceError(UserError):
    """The loss, the weights or the answers of a model are no finite numbers any more."""


def require(module: str, extra: str | None = None, what: str = "this") -> Any:
    """Imports an optional dependency, or says what to install.

    TensorFlow is one too: on Keras' JAX backend only what is TensorFlow's own needs it.

    Args:
        module: The module's name, such as `"pyarrow.parquet"`.
        extra: The extra of kerasformer that installs it; None where it is a package by that name.
        what: What needs it, in the words of the error.

    Returns:
        The module.

    Raises:
        UserError: The module is not installed.

    Example:

    >>> require("json").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # installed, but broken: its own error says more
        package = f"'kerasformer[{extra}]'" if extra else module
        raise UserError(
            f"{module} is not installed, and {what} needs it: pip install {package}."
        ) from None


@contextlib.contextmanager
def needing_backend() -> Iterator[None]:
    """Says in a sentence what to do where Keras' backend, by default TensorFlow, is not installed.

    Raises:
        UserError: Keras was imported within, in vain.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "jax") or "keras" in sys.modules:
            raise  # Keras is there: something else is amiss
        other = "jax" if error.name == "tensorflow" else "tensorflow"
        raise UserError(
            f"Keras' backend is {error.name}, which is not installed: set KERAS_BACKEND={other} to "
            f"run on that, or pip install {error.name}."
        ) from None


@contextlib.contextmanager
def needing_memory() -> Iterator[None]:
    """Says in a sentence what to do where memory runs out, of this machine or of an accelerator.

    Raises:
        UserError: What ran within asked for more than there is.
    """
    try:
        yield
    except Exception as error:  # of TensorFlow or JAX, which need not be installed
        told = _NO_MEMORY.get(type(error).__name__)
        is_known = told is not None and re.search(told, str(error), re.DOTALL)
        if not isinstance(error, MemoryError) and not is_known:
            raise
        raise UserError(
            "There is not enough memory for this: give a smaller model, a lower max_length or "
            "batch_size, or less data."
        ) from None
