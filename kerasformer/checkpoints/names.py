"""Tables of names: which weight of ours is which tensor of a format, read in both directions."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from kerasformer.models.config import EncoderConfig


class Weight(NamedTuple):
    """One line of a table of names: a weight here and there.

    Attributes:
        ours: The variable's path below the encoder, or below the head's layer.
        theirs: The tensor's name in the format.
        shape: The tensor's shape in the format; in a table, the names of sizes.
        transposed: Whether the format's matrix is `[outputs, inputs]`, torch's order.
    """

    ours: str
    theirs: str
    shape: tuple
    transposed: bool = False

    def to_keras(self, tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The format's tensor as the variable of this shape, heads on an axis of their own."""
        return (tensor.T if self.transposed else tensor).reshape(shape)

    def from_keras(self, value: np.ndarray) -> np.ndarray:
        """The variable's value as the format's tensor, the inverse of `to_keras`."""
        return value.reshape(self.shape[::-1]).T if self.transposed else value.reshape(self.shape)

    def within(self, ours: str, theirs: str) -> "Weight":
        """The same line with both names below others."""
        return self._replace(ours=ours + self.ours, theirs=theirs + self.theirs)

    def sized(self, sizes: Mapping[str, int]) -> "Weight":
        """The same line with numbers for the names of the sizes."""
        return self._replace(
            shape=tuple(size if isinstance(size, int) else sizes[size] for size in self.shape)
        )


@dataclasses.dataclass(frozen=True)
class Layout:
    """A format's whole table of names.

    Sizes are those of `EncoderConfig`, `head_size`, and for a head `num_classes`.

    Attributes:
        embeddings: The lines of the embeddings.
        block: The lines of one block, below `block_name`.
        block_name: What is before a block's names, `{}` standing for its number.
        pooler: The lines of the pooler; none where the format has no pooler.
        projection: The lines of the dense layer between embeddings of another width and the
            blocks; none where the format knows no such embeddings.
        heads: The lines of each head that the format knows, by the head's name; `ours` is below
            the head's layer.
    """

    embeddings: tuple[Weight, ...]
    block: tuple[Weight, ...]
    block_name: str
    pooler: tuple[Weight, ...] = ()
    projection: tuple[Weight, ...] = ()
    heads: Mapping[str, tuple[Weight, ...]] = dataclasses.field(default_factory=dict)

    def encoder_weights(self, config: EncoderConfig) -> Iterator[Weight]:
        """The lines of an encoder, with its sizes filled in.

        Args:
            config: The encoder's configuration.

        Yields:
            A `Weight` for each variable of `BertEncoder(config)` that the format has.
        """
        sizes = _sizes(config)
        yield from (weight.sized(sizes) for weight in self.embeddings)
        if config.embedding_size != config.hidden_size:
            yield from (weight.sized(sizes) for weight in self.projection)
        for i in range(config.num_layers):
            for weight in self.block:
                yield weight.within(f"layer_{i}/", self.block_name.format(i)).sized(sizes)
        if config.pooler:
            yield from (weight.sized(sizes) for weight in self.pooler)

    def head_weights(self, head: str, config: EncoderConfig, num_classes: int = 2):
        """The lines of a head, with its sizes filled in.

        Args:
            head: The head's name, a key of `heads`.
            config: The encoder's configuration.
            num_classes: The number of the head's outputs, where it is not given by its kind.

        Yields:
            A `Weight` for each variable of the head's layer.
        """
        sizes = {**_sizes(config), "num_classes": num_classes}
        yield from (weight.sized(sizes) for weight in self.heads[head])


def _sizes(config: EncoderConfig) -> dict[str, int]:
    return {**vars(config), "head_size": config.hidden_size // config.num_heads}
