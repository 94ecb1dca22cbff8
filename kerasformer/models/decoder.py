"""A decoder-only transformer, GPT-2 or the OpenAI transformer, in the layers of the encoder."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasformer.layers import TokenAndPositionEmbedding
from kerasformer.layers.kernels import LayerNormalization
from kerasformer.models.config import DecoderConfig
from kerasformer.models.parts import initializer_of, new_blocks
from kerasformer.models.transformer import Transformer


@keras.saving.register_keras_serializable(package="kerasformer")
class CausalDecoder(Transformer):
    """A decoder-only transformer: each token's vectors follow from it and those before it.

    GPT-2, Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; with
    `norm_first=False` the OpenAI transformer that BERT started from, Radford et al., "Improving
    Language Understanding by Generative Pre-Training", 2018. Its blocks are those of `BertEncoder`,
    with a causal mask.

    Args:
        config: A `DecoderConfig`, or the dict of its attributes.

    Call arguments:
        inputs: As of `BertEncoder`. There are no segments: `input_type_ids` are not looked at.
            By default all ids are real tokens, or those that are not `pad_token_id`.
        outputs: Names of the outputs wanted; by default the first two.
        training: Whether dropout is on.
        frozen_blocks: As of `BertEncoder`.

    Returns:
        A dict of what `outputs` names:

        - `sequence_output`: `[batch, seq, hidden_size]`, the last block's output, with pre-LN
          through the final LayerNorm;
        - `encoder_outputs`: a list of `[batch, seq, hidden_size]`, one for each block, the last of
          which is `sequence_output`;
        - `embedding_output`: `[batch, seq, hidden_size]`;
        - `attention_scores`: a list of `[batch, num_heads, seq, seq]`, one for each block.

    Raises:
        ValueError: As of `BertEncoder`.

    Example:

    >>> config = DecoderConfig(vocab_size=100, hidden_size=32, num_layers=2, num_heads=2)
    >>> outputs = CausalDecoder(config)(np.array([[2, 17, 54, 3]]))
    >>> tuple(outputs["sequence_output"].shape), len(outputs["encoder_outputs"])
    ((1, 4, 32), 2)
    """

    config_class = DecoderConfig
    config: DecoderConfig

    def __init__(self, config: DecoderConfig | dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        config, dtype = self.config, self.dtype_policy
        initializer = initializer_of(config)
        self.embedding = TokenAndPositionEmbedding(
            config.vocab_size,
            config.max_length,
            config.hidden_size,
            mask_zero=False,
            dropout=config.embedding_dropout or 0.0,
            embeddings_initializer=initializer,
            dtype=dtype,
            name="embeddings",
        )
        kind = {"norm_first": config.norm_first, "causal": True}
        self.blocks = new_blocks(config, initializer, dtype, **kind)
        if config.norm_first:
            self.final_layer_norm = LayerNormalization(
                epsilon=config.layer_norm_epsilon, dtype=dtype, name="final_layer_norm"
            )
        self.build()

    def _embed(self, inputs, training):
        return self.embedding(inputs["input_word_ids"], training=training)

    def extend(
        self, ids: Any, positions: Any, padding_mask: Any, cache: Sequence[Any], start: Any
    ) -> tuple[Any, list[Any]]:
        """The vectors of further tokens, whose predecessors' keys and values are at hand.

        Args:
            ids: Int `[batch, seq]`, the tokens: one in each row, or the first ones.
            positions: Int `[batch, seq]`, their positions in their texts.
            padding_mask: 0/1 `[batch, columns]`; 1 is a real token, or the place of one to come.
            cache: For each block the pair of keys and values, as `empty_cache` makes them.
            start: The column of the first of the tokens, an int.

        Returns:
            The `sequence_output` of the tokens, and the cache with them in it.
        """
        x, extended = self.embedding(ids, positions=positions), []
        start = ops.convert_to_tensor(start, "int32")  # Keras has no numbers among tensors
        for block, (keys, values) in zip(self.blocks, cache, strict=True):
            x, states = block(x, padding_mask=padding_mask, cache=(keys, values, start))
            extended.append(states)
        return self.final_layer_norm(x) if self.final_layer_norm else x, extended

    def empty_cache(self, padding_mask: Any) -> list[Any]:
        """A cache for `extend`, of the shape of a mask `[batch, columns]`."""
        heads, size = self.config.num_heads, self.config.hidden_size // self.config.num_heads
        batch, columns = ops.shape(padding_mask)
        empty = ops.zeros((batch, heads, columns, size), self.compute_dtype)
        return [(empty, empty) for _ in self.blocks]
