"""The error that a person's own mistake raises, and the import of optional packages."""

import importlib

from kerasformer.formatting import readable


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


def require(module: str, extra: str):
    """Imports an optional dependency, or says which extra of kerasformer brings it.

    Args:
        module: The module's name, such as `"pyarrow.parquet"`.
        extra: The extra of kerasformer that installs it.

    Returns:
        The module.

    Raises:
        UserError: The module is not installed.

    Example:

    >>> require("json", extra="none").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # installed, but broken: its own error says more
        raise UserError(
            f"{module} is not installed, and this needs it: pip install 'kerasformer[{extra}]'."
        ) from None
