"""Tables of names: which weight of ours is which tensor of a format, read in both directions."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from kerasformer.models.config import AnyConfig

HIDDEN, INNER, EMBEDDING = "hidden_size", "intermediate_size", "embedding_size"
FUSED = "fused_size"  # of queries, keys and values side by side
_PARTS = 3


class Weight(NamedTuple):
    """One line of a table: a weight here and there.

    Attributes:
        ours: The variable's path below the encoder, or below the head's layer.
        theirs: The tensor's name in the format.
        shape: The tensor's shape in the format; in a table, the names of sizes.
        transposed: Whether the format's matrix is `[outputs, inputs]`, torch's order.
        part: Which third of the tensor's last axis it is, of one with queries, keys and values side
            by side; None for all of it.
    """

    ours: str
    theirs: str
    shape: tuple
    transposed: bool = False
    part: int | None = None

    @property
    def size(self) -> int:
        """The number of its values, once the shape has numbers."""
        return math.prod(self.shape) // (1 if self.part is None else _PARTS)

    def to_keras(self, tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The format's tensor as the variable of this shape, heads on an axis of their own."""
        if self.part is not None:
            tensor = np.split(tensor, _PARTS, axis=-1)[self.part]
        return (tensor.T if self.transposed else tensor).reshape(shape)

    def from_keras(self, value: np.ndarray) -> np.ndarray:
        """The variable's value as the format's tensor, or its part: the inverse of `to_keras`."""
        if self.part is not None:
            return value.reshape((*self.shape[:-1], -1))
        return value.reshape(self.shape[::-1]).T if self.transposed else value.reshape(self.shape)

    def within(self, ours: str, theirs: str) -> "Weight":
        """The same line with both names below others."""
        return self._replace(ours=ours + self.ours, theirs=theirs + self.theirs)

    def sized(self, sizes: Mapping[str, int]) -> "Weight":
        """The same line with numbers for the names of the sizes."""
        return self._replace(
            shape=tuple(size if isinstance(size, int) else sizes[size] for size in self.shape)
        )


Weights = tuple[Weight, ...]


@dataclasses.dataclass(frozen=True)
class Convention:
    """How a format names the variables of a layer, and which axes its kernels have.

    Attributes:
        kernel, bias, gamma, beta, embeddings: What follows the layer's name.
        transposed: Whether a kernel is `[outputs, inputs]`, torch's order.
        heads: The axes on the heads' side of the attention's kernels.
    """

    kernel: str = "/kernel"
    bias: str = "/bias"
    gamma: str = "/gamma"
    beta: str = "/beta"
    embeddings: str = ""
    transposed: bool = False
    heads: tuple[str, ...] = ("num_heads", "head_size")

    def dense(self, ours: str, theirs: str, inputs, outputs) -> Weights:
        """The two lines of a dense layer; of a head that is one, `ours` is `""`."""
        inputs, outputs = ((s if isinstance(s, tuple) else (s,)) for s in (inputs, outputs))
        shape = outputs + inputs if self.transposed else inputs + outputs
        return (
            Weight(f"{ours}/kernel".lstrip("/"), theirs + self.kernel, shape, self.transposed),
            Weight(f"{ours}/bias".lstrip("/"), theirs + self.bias, outputs),
        )

    def fused(self, ours: Iterable[str], theirs: str) -> Weights:
        """The lines of the three dense layers that are one in the format."""
        lines = (
            (
                Weight(f"{name}/kernel", theirs + self.kernel, (HIDDEN, FUSED), part=part),
                Weight(f"{name}/bias", theirs + self.bias, (FUSED,), part=part),
            )
            for part, name in enumerate(ours)
        )
        return tuple(itertools.chain.from_iterable(lines))

    def layer_norm(self, ours: str, theirs: str, width: str = HIDDEN) -> Weights:
        """The two lines of a LayerNorm."""
        return (
            Weight(f"{ours}/gamma", theirs + self.gamma, (width,)),
            Weight(f"{ours}/beta", theirs + self.beta, (width,)),
        )

    def embedding(self, words: str, positions: str, segments: str | None, norm: str) -> Weights:
        """The lines of `BertEmbedding`; None for the table that a format lacks."""
        tables = (
            ("word_embeddings", words, "vocab_size"),
            ("position_embedding", positions, "max_length"),
            ("type_embeddings", segments, "type_vocab_size"),
        )
        return (
            *(
                Weight(f"embeddings/{ours}/embeddings", theirs + self.embeddings, (rows, EMBEDDING))
                for ours, theirs, rows in tables
                if theirs is not None
            ),
            *self.layer_norm("embeddings/layer_norm", norm, EMBEDDING),
        )

    def block(self, query, key, value, attention, attention_norm, inner, output, norm) -> Weights:
        """The lines of a `TransformerBlock`, in the order in which it computes."""
        return (
            *self.dense("self_attention/query", query, HIDDEN, self.heads),
            *self.dense("self_attention/key", key, HIDDEN, self.heads),
            *self.dense("self_attention/value", value, HIDDEN, self.heads),
            *self.dense("self_attention/attention_output", attention, self.heads, HIDDEN),
            *self.layer_norm("self_attention_layer_norm", attention_norm),
            *self.dense("intermediate", inner, HIDDEN, INNER),
            *self.dense("output", output, INNER, HIDDEN),
            *self.layer_norm("output_layer_norm", norm),
        )

    def masked_lm(self, transform: str, norm: str, bias: str) -> Weights:
        """The lines of a `MaskedLMHead`, but for the word embeddings that it shares."""
        return (
            *self.dense("transform", transform, HIDDEN, EMBEDDING),
            *self.layer_norm("layer_norm", norm, EMBEDDING),
            Weight("bias", bias, ("vocab_size",)),
        )


@dataclasses.dataclass(frozen=True)
class NameTable:
    """A format's whole table of names.

    Sizes are those of the configuration, `head_size`, `FUSED`, and for a head `num_classes`.

    Attributes:
        embeddings: The lines of the embeddings.
        block: The lines of one block, below `block_name`.
        block_name: What is before a block's names, `{}` standing for its number.
        last: The lines of the LayerNorm after the last block, of a model that has one.
        pooler: The lines of the pooler; none where the format has no pooler.
        projection: The lines of the dense layer between embeddings of another width and the
            blocks; none where the format knows no such embeddings.
        heads: The lines of each head that the format knows, by the head's name; `ours` is below
            the head's layer.
    """

    embeddings: Weights
    block: Weights
    block_name: str
    last: Weights = ()
    pooler: Weights = ()
    projection: Weights = ()
    heads: Mapping[str, Weights] = dataclasses.field(default_factory=dict)

    def encoder_weights(self, config: AnyConfig) -> Iterator[Weight]:
        """Yields a `Weight`, its sizes filled in, for each variable that the format has."""
        sizes = _sizes(config)
        yield from (weight.sized(sizes) for weight in self.embeddings)
        if config.embedding_size != config.hidden_size:
            yield from (weight.sized(sizes) for weight in self.projection)
        for i in range(config.num_layers):
            for weight in self.block:
                yield weight.within(f"layer_{i}/", self.block_name.format(i)).sized(sizes)
        yield from (weight.sized(sizes) for weight in self.last)
        if config.pooler:
            yield from (weight.sized(sizes) for weight in self.pooler)

    def head_weights(self, head: str, config: AnyConfig, num_classes: int = 2) -> Iterator[Weight]:
        """Yields a `Weight`, its sizes filled in, for each variable of a head's layer.

        Args:
            head: The head's name, a key of `heads`.
            config: The encoder's configuration.
            num_classes: The number of the head's outputs, where it is not given by its kind.
        """
        sizes = {**_sizes(config), "num_classes": num_classes}
        yield from (weight.sized(sizes) for weight in self.heads[head])


def _sizes(config: AnyConfig) -> dict[str, int]:
    hidden, heads = config.hidden_size, config.num_heads
    return {**vars(config), "head_size": hidden // heads, FUSED: _PARTS * hidden}
