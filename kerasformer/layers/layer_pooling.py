"""From the outputs of several layers to one vector for each token."""

import operator
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasformer.layers.typing import Shape, Tensor

# Choices from the literature: indices into the embeddings and all blocks, and how to combine them.
NAMED_LAYERS: dict[str, tuple[tuple[int, ...] | slice, str]] = {
    "last": ((-1,), "last"),
    "second_to_last": ((-2,), "last"),
    "embeddings": ((0,), "last"),
    "mean_first_last": ((1, -1), "mean"),
    "sum_last_four": ((-4, -3, -2, -1), "sum"),
    "mean_last_four": ((-4, -3, -2, -1), "mean"),
    "concat_last_four": ((-4, -3, -2, -1), "concat"),
    "sum_all": (slice(1, None), "sum"),
    "mean_all": (slice(1, None), "mean"),
}


@keras.saving.register_keras_serializable(package="kerasformer")
class LayerPooling(keras.layers.Layer):
    """Combines the hidden states of an encoder, the same for every token.

    The ways that Devlin et al., https://arxiv.org/abs/1810.04805, table 7, compare for vectors of
    a frozen BERT, and the learnt weights of ELMo (Peters et al., https://arxiv.org/abs/1802.05365,
    equation 1): `gamma * sum_j softmax(s)_j h_j`, of which `s` starts as zeros and `gamma` as 1.

    Args:
        layers: Which hidden states: an index, from the embeddings (0) over the first block (1) to
            the last (-1); a list of indices; `"all"`, the embeddings too; or a choice of
            `NAMED_LAYERS`, which says how they are combined, such as `"concat_last_four"`;
            `"sum_all"` and `"mean_all"` are of the blocks, without the embeddings, and
            `"mean_first_last"` of the first and the last block, as SimCSE's `avg_first_last`.
        combine: What is done with them: `"last"` takes the last one chosen; `"sum"`, `"mean"`;
            `"concat"`, one vector after another, in the order chosen; `"stack"`, each kept;
            `"scalar_mix"`, the learnt weights. By default what a named choice says, or `"mean"`.

    Call arguments:
        inputs: The list `[embedding_output] + encoder_outputs` of a `BertEncoder`, each
            `[batch, seq, hidden]`; or of pooled vectors, each `[batch, hidden]`.

    Returns:
        `[batch, seq, hidden]`; from `"concat"` `[batch, seq, layers * hidden]`, from `"stack"`
        `[batch, seq, layers, hidden]`.

    Raises:
        ValueError: An unknown choice or combination, another combination than a named choice has,
            an index that the list does not reach, or inputs that are not a list of equal shapes.

    Example:

    Features for a tagger, the last four blocks of an encoder that could be frozen or trained:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> encoder = BertEncoder(EncoderConfig.bert("mini", vocab_size=100))
    >>> encoder.trainable = False
    >>> ids = keras.Input((None,), dtype="int32")
    >>> outputs = encoder(ids, outputs=["embedding_output", "encoder_outputs"])
    >>> states = [outputs["embedding_output"], *outputs["encoder_outputs"]]
    >>> tokens = LayerPooling("concat_last_four")(states)
    >>> tags = keras.layers.Dense(9, activation="softmax")(tokens)
    >>> tokens.shape, keras.Model(ids, tags)(np.array([[2, 17, 54, 3]])).shape[1:]
    ((None, None, 1024), TensorShape([4, 9]))
    """

    COMBINATIONS = ("last", "sum", "mean", "concat", "stack", "scalar_mix")

    def __init__(
        self, layers: int | str | Sequence[int] = "last", combine: str | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        named = NAMED_LAYERS.get(layers) if isinstance(layers, str) else None
        if named and combine not in (None, named[1]):
            raise ValueError(
                f"layers={layers!r} is combined by {named[1]!r}, not by {combine!r}: give a list "
                "of indices for another."
            )
        combine = combine or (named[1] if named else "mean")
        if combine not in self.COMBINATIONS:
            known = ", ".join(map(repr, self.COMBINATIONS))
            raise ValueError(f"combine={combine!r} is not one of {known}.")
        # Not `layers`: Keras takes an attribute of that name for the layers within.
        self.chosen = layers if isinstance(layers, str) else _as_indices(layers)
        if isinstance(layers, str) and not named and layers != "all":
            known = ", ".join(map(repr, ("all", *NAMED_LAYERS)))
            raise ValueError(f"layers={layers!r} is not one of {known}, nor indices.")
        self.combine = combine
        self.supports_masking = True

    def indices(self, count: int) -> tuple[int, ...]:
        """The positions of the chosen layers among `count` hidden states, none negative.

        Raises:
            ValueError: An index is out of reach, or a named choice asks for more blocks.
        """
        chosen = slice(None) if self.chosen == "all" else self.chosen
        least = -count
        if isinstance(chosen, str):
            chosen, _ = NAMED_LAYERS[chosen]
            least = 1 - count  # counted from the end, blocks alone
        if isinstance(chosen, slice):
            return tuple(range(count))[chosen]
        if not all(least <= i < count for i in chosen):
            raise ValueError(
                f"layers={self.chosen!r} is out of reach: there are {count} hidden states, the "
                f"embeddings (0) and the blocks 1 to {count - 1}."
            )
        return tuple(i % count for i in chosen)

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Creates the weights of a scalar mix."""
        chosen = self.indices(len(self._check_shapes(input_shape)))
        if self.combine == "scalar_mix":
            self.mix = self.add_weight(shape=(len(chosen),), initializer="zeros", name="mix")
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def _check_shapes(self, shapes):
        is_list = isinstance(shapes, list | tuple) and len(shapes) > 0
        if not is_list or not all(isinstance(shape, list | tuple) for shape in shapes):
            raise ValueError(
                "LayerPooling takes a list of hidden states, [embedding_output] + encoder_outputs, "
                f"not an input of shape {shapes}."
            )
        shapes = [tuple(shape) for shape in shapes]
        if len({(len(shape), shape[-1]) for shape in shapes}) > 1:
            raise ValueError(f"LayerPooling takes hidden states of one shape, not {shapes}.")
        return shapes

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """See the class."""
        states = [inputs[i] for i in self.indices(len(inputs))]
        if self.combine == "concat":
            return ops.concatenate(states, axis=-1)
        if self.combine == "stack":
            return ops.stack(states, axis=-2)
        if self.combine == "scalar_mix":
            return self._scalar_mix(states)
        if self.combine == "last" or len(states) == 1:
            return states[-1]
        total = sum(states[1:], start=states[0])
        return total / len(states) if self.combine == "mean" else total

    def _scalar_mix(self, states):
        # Not in less than float32; not ops.softmax, which warns of a single layer.
        dtype = keras.backend.result_type(states[0].dtype, "float32")
        mix = ops.cast(self.mix, dtype)
        weights = ops.cast(self.scale, dtype) * ops.exp(mix - ops.logsumexp(mix))
        weights = ops.cast(weights, states[0].dtype)
        weighted = [weights[i] * state for i, state in enumerate(states)]
        return sum(weighted[1:], start=weighted[0])

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """See the class."""
        shapes = self._check_shapes(input_shape)
        count = len(self.indices(len(shapes)))
        *before, hidden = shapes[0]
        if self.combine == "concat":
            return (*before, count * hidden)
        return (*before, count, hidden) if self.combine == "stack" else (*before, hidden)

    def compute_mask(self, inputs: Sequence[Tensor], mask: Any = None) -> Tensor | None:
        """Passes on the implicit mask of the hidden states."""
        masks = mask if isinstance(mask, list | tuple) else [mask]
        return next((given for given in masks if given is not None), None)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        layers = self.chosen if isinstance(self.chosen, str) else list(self.chosen)
        return {**super().get_config(), "layers": layers, "combine": self.combine}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LayerPooling":
        """Makes the layer, also from a config of when `combine` was called `mode`."""
        config = {"combine" if key == "mode" else key: value for key, value in config.items()}
        return super().from_config(config)


def _as_indices(layers):
    """One index or several as a tuple of int."""
    try:
        several = [layers] if hasattr(layers, "__index__") else list(layers)
        indices = tuple(operator.index(i) for i in several if not isinstance(i, bool))
    except TypeError:
        several, indices = None, ()
    if not indices or len(indices) != len(several):
        raise ValueError(f"layers={layers!r} is neither a name, nor an index, nor a list of them.")
    return indices
