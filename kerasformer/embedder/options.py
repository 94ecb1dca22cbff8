"""The options of a call of the embedder, checked."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasformer.errors import UserError
from kerasformer.layers import NAMED_LAYERS, LayerPooling, SequencePooling
from kerasformer.models import BertEncoder
from kerasformer.models.static import StaticEncoder

POOLINGS = (*SequencePooling.POOLINGS, "pooled")

Layers = int | str | Sequence[int] | LayerPooling


@dataclasses.dataclass(frozen=True)
class EncodeOptions:
    """The arguments of `TextEmbedder.encode`, with the embedder's own where they were not given."""

    layers: LayerPooling
    pooling: tuple[str, ...]
    special_tokens: bool
    normalize: bool
    prompt: str
    output: str = "sentence"
    word_pooling: str = "mean"
    dtype: str = "float32"
    dimensions: int | None = None
    long: str = "truncate"
    overlap: int | None = None
    batch_size: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "pooling", _as_poolings(self.pooling))
        check_choice("output", self.output, ("sentence", "token", "word", "hidden_states"))
        check_choice("word_pooling", self.word_pooling, ("mean", "sum", "first", "max"))
        check_choice("dtype", self.dtype, ("float32", "float16", "int8", "binary"))
        check_choice("long", self.long, ("truncate", "window"))
        for name in ("dimensions", "batch_size"):
            if getattr(self, name) is not None:
                check_whole_number(name, getattr(self, name), least=1)
        if self.overlap is not None:
            check_whole_number("overlap", self.overlap, least=0)
        if not isinstance(self.prompt, str):
            raise UserError(f"prompt is {self.prompt!r}, but must be a str.")

    def check_fits(self, encoder: BertEncoder | StaticEncoder):
        """Checks that the encoder has the layers, and that the pooling fits them."""
        count = encoder.config.num_layers + 1
        try:
            indices = self.layers.indices(count)
        except ValueError as error:
            raise UserError(str(error)) from None
        if self.output != "sentence":
            return
        if "weightedmean" in self.pooling and self.long == "window":
            raise UserError(
                "pooling='weightedmean' weights tokens by their places in a text, which its "
                'windows do not have: use long="truncate", or another pooling.'
            )
        for pooling in self.pooling:
            if pooling in ("cls", "pooled") and not self.special_tokens:
                raise UserError(
                    f"pooling={pooling!r} takes the special token before the text, which "
                    "special_tokens=False leaves out: choose one of the two."
                )
        if "pooled" not in self.pooling:
            return
        if encoder.pooler is None:
            raise UserError("pooling='pooled' needs a pooler, which this encoder lacks: use 'cls'.")
        if indices != (count - 1,) or self.layers.combine == "scalar_mix":
            raise UserError("pooling='pooled' takes the last layer alone: use 'cls' for others.")


def choose_options(embedder: Any, given: dict[str, Any]) -> EncodeOptions:
    """The options of a call: the arguments given, or the embedder's own where they are None."""
    given = {name: value for name, value in given.items() if value is not None}
    _check_vocabularies(embedder.tokenizer, embedder.encoder)
    _name_prompt(embedder.prompts, given)
    is_sentence = given.get("output", "sentence") == "sentence"
    if given.get("output") == "hidden_states":
        given |= {"layers": "all", "combine": "stack"}
    layers = given.pop("layers", embedder.layers)
    combine = given.pop("combine", None) or _default_combine(layers, embedder.combine)
    own = {name: getattr(embedder, name) for name in ("pooling", "special_tokens", "prompt")}
    own["normalize"] = embedder.normalize and is_sentence
    own["dimensions"] = embedder.dimensions if is_sentence else None
    return EncodeOptions(_as_layer_pooling(layers, combine), **own | given)


def _name_prompt(prompts: Mapping[str, str], given: dict[str, Any]):
    """Puts the prompt in the place of its name."""
    name = given.pop("prompt_name", None)
    if name is None:
        return
    if "prompt" in given:
        raise UserError(f"prompt and prompt_name={name!r} are both given: give one of the two.")
    if name not in prompts:
        known = ", ".join(map(repr, prompts)) or "none"
        raise UserError(f"prompt_name is {name!r}, but the embedder's prompts are: {known}.")
    given["prompt"] = prompts[name]


def _as_layer_pooling(layers: Layers, combine: str | None) -> LayerPooling:
    """The `LayerPooling`; without `combine`, a named choice defines it."""
    if isinstance(layers, LayerPooling):
        if combine not in (None, layers.combine):
            raise UserError(
                f"combine is {combine!r}, but the LayerPooling given combines by "
                f"{layers.combine!r}: leave combine out."
            )
        return layers
    try:
        return LayerPooling(layers, combine, dtype="float32")
    except ValueError as error:
        raise UserError(str(error)) from None


def _default_combine(layers: Layers, combine: str) -> str | None:
    """None where `layers` defines itself how they are combined, else `combine`."""
    is_named = isinstance(layers, str) and layers in NAMED_LAYERS
    return None if (is_named or isinstance(layers, LayerPooling)) and combine == "mean" else combine


def _as_poolings(pooling: str | Sequence[str]) -> tuple[str, ...]:
    """The poolings, one or several, checked."""
    poolings = (pooling,) if isinstance(pooling, str) else tuple(pooling)
    if not poolings:
        raise UserError(f"pooling is {pooling!r}: give at least one.")
    for each in poolings:
        if each not in POOLINGS:
            raise UserError(f"pooling={each!r} is not one of {', '.join(map(repr, POOLINGS))}.")
    return poolings


def check_choice(name: str, value: str, choices: Sequence[str]):
    """Raises a UserError where a value is not one of the choices."""
    if value not in choices:
        raise UserError(f"{name} is {value!r}, but must be one of {', '.join(choices)}.")


def check_whole_number(name: str, value: int, least: int):
    """Raises a UserError where a value is not a whole number, or smaller than it may be."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least:
        raise UserError(f"{name} is {value!r}, but must be a whole number, {least} or more.")


def _check_vocabularies(tokenizer: Any, encoder: BertEncoder | StaticEncoder) -> None:
    """Raises a UserError for a tokenizer with more tokens than the encoder has vectors for."""
    tokens, rows = tokenizer.vocab_size, encoder.config.vocab_size
    if tokens > rows:
        raise UserError(
            f"The tokenizer has {tokens:,} tokens and the encoder embeddings for {rows:,}: they do "
            "not belong together."
        )
