"""The vectors of tokens that a head judges, from the hidden states of an encoder."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import keras
import numpy as np

from kerasformer.layers import LayerPooling
from kerasformer.models import EncoderConfig
from kerasformer.private_api import get_mask, set_mask
from kerasformer.tasks.texts.vectors import Layers, pool_layers

# What Devlin et al., https://arxiv.org/abs/1810.04805, table 7, compare as features that a frozen
# encoder gives; values of `layers` of a `TokenClassifier`.
TABLE_7 = (
    "embeddings",
    "second_to_last",
    "last",
    "weighted_last_four",
    "concat_last_four",
    "weighted_all",
)


def table_7(blocks: int) -> list[str]:
    """Those of `TABLE_7` that an encoder of so many blocks has.

    >>> table_7(blocks=2)
    ['embeddings', 'second_to_last', 'last', 'weighted_all']
    """
    needed = {"second_to_last": 2, "weighted_last_four": 4, "concat_last_four": 4}
    return [name for name in TABLE_7 if blocks >= needed.get(name, 1)]


@keras.saving.register_keras_serializable(package="kerasformer")
class TokenVectors(keras.layers.Layer):
    """One vector for each token, in two steps of which training may change the second alone.

    The first is a call, which gives the features of a frozen encoder's tokens. The second,
    `judged`, makes a weighted sum with learnt weights of them, where one is asked for.

    Args:
        layers: The names and indices of `LayerPooling`; and `"weighted_last_four"` and
            `"weighted_all"`, weighted sums of the last four and of all blocks.
        combine: As of `LayerPooling`; by default what a name says, else `"concat"`.
        blocks: How many blocks the encoder has.
        hidden_size: Their width.
        **kwargs: Keras arguments of the layer.

    Call arguments:
        inputs: The list `[embedding_output] + encoder_outputs`, each `[batch, seq, hidden]`.

    Returns:
        `[batch, seq, size]`; for a weighted sum `[batch, seq, layers, hidden]`.

    Raises:
        ValueError: There is no such layer or combination.

    Example:

    >>> vectors = TokenVectors("weighted_all", None, blocks=2, hidden_size=8)
    >>> features = vectors([np.zeros((1, 3, 8))] * 3)
    >>> tuple(features.shape), tuple(vectors.judged(features).shape)
    ((1, 3, 2, 8), (1, 3, 8))
    """

    def __init__(
        self, layers: Layers, combine: str | None, blocks: int, hidden_size: int, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.chosen = layers if isinstance(layers, str) else np.atleast_1d(layers).tolist()
        self.combine, self.blocks, self.hidden_size = combine, blocks, hidden_size
        layers, combine = _learnt(layers, combine, blocks)
        is_mixed = combine == "scalar_mix"
        pooling = LayerPooling(layers, combine) if is_mixed else pool_layers(layers, combine)
        self.indices = pooling.indices(blocks + 1)
        # Stacked at first: so they are the same in all of training.
        self.pooling = LayerPooling(self.indices, "stack") if is_mixed else pooling
        self.mix = LayerPooling("all", "scalar_mix", name="mix") if is_mixed else None
        states = [(None, None, hidden_size)] * (blocks + 1)
        shape = self.pooling.compute_output_shape(states)
        self.feature_shape = cast(tuple[int, ...], tuple(shape[2:]))
        self.pooling.build(states)
        if self.mix is not None:
            self.mix.build(states[: len(self.indices)])

    @property
    def is_last(self) -> bool:
        """Whether they are the outputs of the last block as they are."""
        return self.mix is None and self.indices == (self.blocks,)

    @property
    def saved(self) -> dict[str, Any]:
        """The `layers` and `combine` of the head that is saved; none for the last block alone.

        A head on a weighted sum is one on the layers side by side, by `unmixed`.
        """
        if self.is_last:
            return {}
        if self.mix is not None:
            return {"layers": list(self.indices), "combine": "concat"}
        return {"layers": self.chosen, "combine": self.combine}

    def build(self, input_shape: Any = None) -> None:
        """Nothing: all variables are there."""

    def call(self, inputs: Sequence[Any]) -> Any:
        """See the class."""
        return self.pooling(inputs)

    def compute_mask(self, inputs: Sequence[Any], mask: Any = None) -> Any:
        """Passes on the implicit mask of the hidden states."""
        return self.pooling.compute_mask(inputs, mask)

    def of_states(self, states: np.ndarray) -> np.ndarray:
        """The features of tokens from the outputs of all layers, a view of them where that can be.

        Args:
            states: float `[tokens, blocks + 1, hidden]`, from the embeddings to the last block.

        Returns:
            float `[tokens, size]`; for a weighted sum `[tokens, layers, hidden]`.

        Example:

        >>> states = np.arange(6.0).reshape(1, 3, 2)
        >>> TokenVectors("last", None, blocks=2, hidden_size=2).of_states(states)
        array([[4., 5.]])
        """
        if self.pooling.combine not in ("stack", "concat") and len(self.indices) > 1:
            unstacked = [states[:, i] for i in range(self.blocks + 1)]
            return keras.ops.convert_to_numpy(self.pooling(unstacked))
        first, stop = self.indices[0], self.indices[-1] + 1
        in_order = self.indices == tuple(range(first, stop))
        chosen = states[:, first:stop] if in_order else states[:, list(self.indices)]
        return chosen.reshape(len(states), *self.feature_shape)

    def judged(self, features: Any) -> Any:
        """The vectors `[..., size]` that features are to the head."""
        if self.mix is None:
            return features
        vectors = self.mix(keras.ops.unstack(features, axis=-2))
        set_mask(vectors, get_mask(features))
        return vectors

    def unmixed(self, head: keras.layers.Dense, like: keras.layers.Dense) -> keras.layers.Dense:
        """Makes `like`, not built yet, the layer on layers side by side that a head on a sum is."""
        assert self.mix is not None
        like.build((None, None, len(self.indices) * self.hidden_size))
        weights = self.mix.scale * keras.ops.softmax(self.mix.mix)
        kernel = weights[:, None, None] * head.kernel[None]
        like.kernel.assign(keras.ops.reshape(kernel, like.kernel.shape))
        like.bias.assign(head.bias)
        return like

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        sizes = {"blocks": self.blocks, "hidden_size": self.hidden_size}
        return super().get_config() | {"layers": self.chosen, "combine": self.combine} | sizes


def _learnt(layers: Layers, combine: str | None, blocks: int) -> tuple[Layers, str | None]:
    """The arguments of `LayerPooling`."""
    weighted = {"weighted_last_four": range(blocks - 3, blocks + 1)}
    weighted["weighted_all"] = range(1, blocks + 1)
    if isinstance(layers, str) and layers in weighted:
        if combine not in (None, "scalar_mix"):
            raise ValueError(
                f"layers={layers!r} is combined by 'scalar_mix', not by {combine!r}: give a list "
                "of indices for another."
            )
        if weighted[layers].start < 1:
            raise ValueError(f"layers={layers!r} needs 4 blocks, and the encoder has {blocks}.")
        return list(weighted[layers]), "scalar_mix"
    return layers, combine


def trained_on(
    settings: Mapping[str, Any], asked: Mapping[str, Any], config: EncoderConfig
) -> str | None:
    """Says what vectors a head was trained on, by its settings, where others are asked for."""
    trained = {key: settings[key] for key in ("layers", "combine") if key in settings}

    def made(layers: Any = "last", combine: Any = None, **others: Any) -> tuple:
        vectors = TokenVectors(layers, combine, config.num_layers, config.hidden_size)
        return vectors.indices, len(vectors.indices) > 1 and vectors.pooling.combine

    if made(**{**trained, **asked}) == made(**trained):
        return None
    told = {"layers": "last", **trained}
    return "was trained with " + ", ".join(f"{key}={value!r}" for key, value in told.items())
