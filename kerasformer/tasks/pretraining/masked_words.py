"""What the models with a masked-LM head share."""

from typing import Any

import keras

from kerasformer.layers import MaskedLMHead
from kerasformer.layers.kernels import embedding_table
from kerasformer.tasks.encoder_task import EncoderTask
from kerasformer.tasks.pretraining.masked_batches import POSITIONS


class MaskedWords(EncoderTask):
    """An encoder's task with a masked-LM head."""

    def _masked_lm_head(self):
        config = self.encoder.config
        return MaskedLMHead(
            config.vocab_size,
            config.embedding_size,
            activation=config.activation,
            layer_norm_epsilon=config.layer_norm_epsilon,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=config.initializer_range),
            dtype=self.dtype_policy,
            name="masked_lm",
        )

    def _logits_spec(self, inputs):
        inputs, positions = split_positions(inputs)
        batch, length = self._lead(inputs)
        length = length if positions is None else positions.shape[1]
        return keras.KerasTensor((batch, length, self.masked_lm.vocab_size), "float32")

    def logits(self, vectors: Any, positions: Any = None) -> Any:
        """The logits of the encoder's vectors, float32 `[batch, predictions or seq, vocab_size]`.

        Args:
            vectors: Its `sequence_output`.
            positions: Int `[batch, predictions]`, the positions to score; all of them where None.
        """
        # The decoder is the word embeddings themselves: one weight, and one gradient.
        table = embedding_table(self.encoder.embedding.word_embeddings)
        return self.masked_lm(vectors, table, positions=positions)


def split_positions(inputs: Any) -> tuple[Any, Any]:
    """The encoder's inputs, and the positions of the words to guess, if these are given."""
    if not isinstance(inputs, dict):
        return inputs, None
    return {k: v for k, v in inputs.items() if k != POSITIONS}, inputs.get(POSITIONS)
