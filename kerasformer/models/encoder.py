"""BERT's encoder in native Keras layers."""

import os
from typing import Any

import keras

from kerasformer.models.config import EncoderConfig
from kerasformer.models.parts import EncoderParts
from kerasformer.models.transformer import Transformer
from kerasformer.text import WordPieceTokenizer


@keras.saving.register_keras_serializable(package="kerasformer")
class BertEncoder(Transformer):
    """BERT's encoder: token ids in, the vectors of every block out.

    Devlin et al., https://arxiv.org/abs/1810.04805. Inputs and outputs carry the names of TF Hub's
    BERT encoders.

    Args:
        config: An `EncoderConfig`, or the dict of its attributes.

    Call arguments:
        inputs: A dict of int `[batch, seq]` tensors: `input_word_ids`, and where they are not the
            default `input_mask` (1 is a real token; by default where the id is not the padding id)
            and `input_type_ids` (by default zeros). Or the ids alone.
        outputs: Names of the outputs wanted; by default all but the last two.
        training: Whether dropout is on.
        frozen_blocks: So many blocks, the first ones, and the embeddings are computed as in
            inference, and no gradient reaches them; None: not the embeddings either.

    Returns:
        A dict of what `outputs` names; those `[batch, seq, hidden_size]` have Keras' implicit mask:

        - `sequence_output`: `[batch, seq, hidden_size]`, the last block's output;
        - `pooled_output` and `default`: `[batch, hidden_size]`, dense + tanh over the first token
          (only with a pooler);
        - `encoder_outputs`: a list of `[batch, seq, hidden_size]`, one for each block;
        - `embedding_output`: `[batch, seq, hidden_size]`;
        - `attention_scores`: a list of `[batch, num_heads, seq, seq]`, one for each block.

    Raises:
        ValueError: An input longer than `max_length` or not `[batch, seq]`, a dict of inputs
            without `input_word_ids` or with an unknown name, outside of graphs an id that is none,
            an unknown name in `outputs`, or a `config` of another kind.

    Example:

    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=100))
    >>> outputs = encoder({"input_word_ids": np.array([[2, 17, 54, 3]])})
    >>> tuple(outputs["pooled_output"].shape), len(outputs["encoder_outputs"])
    ((1, 128), 2)
    """

    config_class = EncoderConfig
    config: EncoderConfig

    def __init__(self, config: EncoderConfig | dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        parts = EncoderParts(self.config, self.dtype_policy)
        self.embedding, self.embedding_projection = parts.embedding, parts.embedding_projection
        self.blocks, self.pooler = parts.blocks, parts.pooler
        self.build()

    def export_tfhub(
        self,
        folder: str | os.PathLike,
        tokenizer: WordPieceTokenizer,
        *,
        seq_length: int = 128,
        mlm_head: Any = None,
    ) -> None:
        """Exports the encoder and its preprocessor as two SavedModels in TF Hub's format.

        Args:
            folder: Output folder, for `encoder` and `preprocessor` in it.
            tokenizer: The encoder's tokenizer.
            seq_length: Default length that the preprocessor pads and truncates to.
            mlm_head: A `kerasformer.layers.MaskedLMHead` on the encoder, to be its `.mlm`.

        Raises:
            UserError: As of `checkpoints.export.tfhub.export_tfhub`: without a pooler, say.
        """
        from kerasformer.checkpoints.export.tfhub import export_tfhub

        export_tfhub(self, tokenizer, folder, seq_length=seq_length, mlm_head=mlm_head)

    def _embed(self, inputs, training):
        ids, types = inputs["input_word_ids"], inputs.get("input_type_ids")
        return self.embedding(ids, types, training=training)
