"""What a SavedModel's function takes and gives, read from the traces that it was saved with."""

import inspect


class Signature:
    """A callable part of a SavedModel, and the first of its traces that can be used.

    Args:
        part: The SavedModel or one of its parts; it need not be callable.
        fits: Tells from the specification of the first argument, a nest of `TensorSpec`, whether
            a trace can be used.

    Attributes:
        function: What to call; None where the part cannot be called.
        inputs: The first argument's specification, or None where no trace fits.
        outputs: The nest of `TensorSpec` that comes out.
        variables: The `tf.Variable` objects that any of the traces reads, each once.
        takes_training: Whether it takes `training=`.
    """

    def __init__(self, part, fits):
        self.function = part.__call__ if callable(part) else None
        self._traces = list(getattr(self.function, "concrete_functions", ()))
        self.inputs = self.outputs = None
        for trace in self._traces:
            if fits(_first_argument(trace)):
                self.inputs, self.outputs = _first_argument(trace), trace.structured_outputs
                break
        variables = {id(v): v for trace in self._traces for v in trace.variables}
        self.variables = list(variables.values())
        self.takes_training = (
            bool(self._traces) and "training" in inspect.signature(self.function).parameters
        )

    def __str__(self):
        """What the callable takes, in the words of an error message."""
        takes = dict.fromkeys(_words(_first_argument(trace)) for trace in self._traces)
        return " or ".join(takes) or "nothing (it cannot be called)"


def is_text(spec) -> bool:
    """Whether the specification of an argument is that of strings `[batch]`."""
    return getattr(spec, "dtype", None) == "string" and spec.shape.rank == 1


def _first_argument(trace):
    arguments, keywords = trace.structured_input_signature
    return arguments[0] if arguments else keywords


def _words(spec):
    if isinstance(spec, dict):
        return "a dict with " + ", ".join(f"{name} {_words(spec[name])}" for name in sorted(spec))
    if isinstance(spec, list | tuple):
        return "a list of " + ", ".join(map(_words, spec))
    if not hasattr(spec, "dtype"):
        return repr(spec)
    return f"{spec.dtype.name}{list(spec.shape) if spec.shape.rank is not None else ''}"
