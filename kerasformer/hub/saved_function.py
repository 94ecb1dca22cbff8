"""A function of a SavedModel, with what its traces (concrete functions) say of it."""

import inspect
from collections.abc import Callable
from typing import Any


class SavedFunction:
    """A callable part of a SavedModel, and the first of its traces that can be used.

    Args:
        part: The SavedModel or one of its parts; it need not be callable.
        fits: Whether a trace can be used, given the specification of its first argument, a nest of
            `TensorSpec`.

    Attributes:
        function: What to call; None where the part is not callable.
        inputs: The first argument's specification, or None where no trace fits.
        outputs: The nest of `TensorSpec` that is returned.
        variables: The `tf.Variable` objects that any of the traces reads, each once.
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
