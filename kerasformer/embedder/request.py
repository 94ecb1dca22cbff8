"""What one call of the embedder is asked for, checked."""

import dataclasses

import numpy as np

from kerasformer.embedder.precision import DTYPES
from kerasformer.embedder.tokens import WORD_POOLING
from kerasformer.errors import UserError
from kerasformer.layers import NAMED_LAYERS, LayerPooling, SequencePooling

OUTPUTS = ("sentence", "token", "word", "hidden_states")
COMBINE = ("sum", "mean", "concat", "stack")
POOLING = (*SequencePooling.POOLINGS, "pooled")


@dataclasses.dataclass(frozen=True)
class Request:
    """The arguments of `TextEmbedder.encode`, with the embedder's own where they were not given.

    Attributes:
        layers: A `LayerPooling`, which `layers` and `combine` became.
        pooling: The modes, one at least.
    """

    output: str
    layers: LayerPooling
    pooling: tuple[str, ...]
    special_tokens: bool
    normalize: bool
    prompt: str
    word_pooling: str = "mean"
    dtype: str = "float32"
    dimensions: int | None = None
    long: str = "truncate"
    overlap: int | None = None
    batch_size: int | None = None

    def __post_init__(self):
        _check_choice("output", self.output, OUTPUTS)
        _check_choice("word_pooling", self.word_pooling, WORD_POOLING)
        _check_choice("dtype", self.dtype, DTYPES)
        _check_choice("long", self.long, ("truncate", "window"))
        for name in ("dimensions", "batch_size"):
            if getattr(self, name) is not None:
                check_whole_number(name, getattr(self, name), least=1)
        if self.overlap is not None:
            check_whole_number("overlap", self.overlap, least=0)
        if not isinstance(self.prompt, str):
            raise UserError(f"prompt is {self.prompt!r}, but must be a str.")

    def check_fits(self, encoder):
        """Checks what is asked for against what the encoder has.

        Raises:
            UserError: A layer is out of reach, or the pooling does not fit the layers, the special
                tokens or the encoder.
        """
        count = encoder.config.num_layers + 1
        try:
            indices = self.layers.indices(count)
        except ValueError as error:
            raise UserError(str(error)) from None
        if self.output != "sentence":
            return
        for mode in self.pooling:
            if mode in ("cls", "pooled") and not self.special_tokens:
                raise UserError(
                    f"pooling={mode!r} takes the special token before the text, which "
                    "special_tokens=False leaves out: choose one of the two."
                )
        if "pooled" not in self.pooling:
            return
        if encoder.pooler is None:
            raise UserError("pooling='pooled' needs a pooler, which this encoder lacks: use 'cls'.")
        if indices != (count - 1,) or self.layers.combine == "scalar_mix":
            raise UserError("pooling='pooled' takes the last layer alone: use 'cls' for others.")


def layer_pooling(layers, combine=None) -> LayerPooling:
    """The `LayerPooling` that `layers` and `combine` ask for.

    Args:
        layers: As in `TextEmbedder`.
        combine: As in `TextEmbedder`; None leaves it to a named choice.

    Raises:
        UserError: An unknown layer or combination.
    """
    if isinstance(layers, LayerPooling):
        if combine is not None and combine != layers.combine:
            raise UserError(
                f"combine is {combine!r}, but the LayerPooling given combines by "
                f"{layers.combine!r}: leave combine out."
            )
        return layers
    if combine is not None:
        _check_choice("combine", combine, COMBINE)
    try:
        return LayerPooling(layers, combine, dtype="float32")
    except ValueError as error:
        raise UserError(str(error)) from None


def default_combine(layers, combine):
    """None where `layers` says itself how they are combined, else `combine`."""
    says = isinstance(layers, LayerPooling) or (isinstance(layers, str) and layers in NAMED_LAYERS)
    return None if says and combine == "mean" else combine


def pooling_modes(pooling) -> tuple[str, ...]:
    """The modes of pooling as a tuple.

    Raises:
        UserError: There is none, or an unknown one.
    """
    modes = (pooling,) if isinstance(pooling, str) else tuple(pooling)
    if not modes:
        raise UserError(f"pooling is {pooling!r}: give one mode at least.")
    for mode in modes:
        if mode not in POOLING:
            raise UserError(f"pooling mode={mode!r} is not one of {', '.join(map(repr, POOLING))}.")
    return modes


def _check_choice(name, value, choices):
    if value not in choices:
        raise UserError(f"{name} is {value!r}, but must be one of {', '.join(choices)}.")


def check_whole_number(name, value, least):
    """Raises a UserError where a value is no whole number, or smaller than it may be."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least:
        raise UserError(f"{name} is {value!r}, but must be a whole number, {least} or more.")
