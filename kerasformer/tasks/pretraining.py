"""BERT with the heads that it is pretrained with: masked words, and the next sentence."""

from typing import Any

import keras

from kerasformer.layers import MaskedLMHead
from kerasformer.layers.kernels import embedding_table
from kerasformer.models import BertEncoder
from kerasformer.tasks.encoder_task import EncoderTask, new_head
from kerasformer.tasks.token_labels import TokenLabelled

POSITIONS = "masked_lm_positions"


class _MaskedWords(EncoderTask):
    """What the two models with a masked-LM head share."""

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

    def _split(self, inputs):
        """The encoder's inputs, and the positions of the words to guess."""
        if not isinstance(inputs, dict):
            return inputs, None
        return {k: v for k, v in inputs.items() if k != POSITIONS}, inputs.get(POSITIONS)

    def _logits_spec(self, inputs):
        inputs, positions = self._split(inputs)
        batch, length = self._lead(inputs)
        length = length if positions is None else positions.shape[1]
        return keras.KerasTensor((batch, length, self.masked_lm.vocab_size), "float32")

    def _logits(self, sequence_output, positions):
        # The decoder is the word embeddings themselves: one weight, and one gradient.
        table = embedding_table(self.encoder.embedding.word_embeddings)
        return self.masked_lm(sequence_output, table, positions=positions)


@keras.saving.register_keras_serializable(package="kerasformer")
class MaskedLanguageModel(TokenLabelled, _MaskedWords):
    """BERT that guesses masked words.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3.1. It is transformers'
    `BertForMaskedLM`, and the `mlm_logits` of TF Hub's BERT; the decoder is tied to the word
    embeddings.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's tokenizer, or its `to_json()`: for `save_pretrained`.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict of int `[batch, seq]` tensors, or the ids alone. It may also have
            `masked_lm_positions`, int `[batch, predictions]`: the positions to score, which takes
            less than scoring all of them.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, predictions or seq, vocab_size]`.

    Raises:
        ValueError: `encoder` is of another kind.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = MaskedLanguageModel(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> ids = np.array([[2, 17, 4, 54, 3]])
    >>> tuple(model({"input_word_ids": ids, "masked_lm_positions": np.array([[2]])}).shape)
    (1, 1, 100)
    """

    HEADS = ("masked_lm",)

    def __init__(self, encoder: BertEncoder, tokenizer: Any = None, **kwargs: Any):
        super().__init__(encoder, tokenizer=tokenizer, **kwargs)
        self.masked_lm = self._masked_lm_head()
        self.build()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs, positions = self._split(inputs)
        outputs = self._encode(inputs, ["sequence_output"], training)
        return self._logits(outputs["sequence_output"], positions)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        return self._logits_spec(inputs)


@keras.saving.register_keras_serializable(package="kerasformer")
class NextSentencePredictor(EncoderTask):
    """BERT that tells whether one sentence follows another.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3.1, task 2. It is transformers'
    `BertForNextSentencePrediction`.

    Args:
        encoder: A `BertEncoder` with a pooler.
        tokenizer: The encoder's tokenizer, or its `to_json()`: for `save_pretrained`.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict of int `[batch, seq]` tensors, of pairs of sentences.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, 2]`: that the second sentence follows the first, and that it is
        one from elsewhere.

    Raises:
        ValueError: `encoder` is of another kind, or has no pooler.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = NextSentencePredictor(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> tuple(model(np.array([[2, 17, 3, 54, 3]])).shape)
    (1, 2)
    """

    HEADS = ("next_sentence",)
    NEEDS_POOLER = True

    def __init__(self, encoder: BertEncoder, tokenizer: Any = None, **kwargs: Any):
        super().__init__(encoder, tokenizer=tokenizer, **kwargs)
        self.next_sentence = new_head(encoder, 2, "next_sentence")
        self.build()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        outputs = self._encode(inputs, ["pooled_output"], training)
        return self.next_sentence(outputs["pooled_output"])

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        return keras.KerasTensor((self._lead(inputs)[0], 2), "float32")


@keras.saving.register_keras_serializable(package="kerasformer")
class PretrainingModel(_MaskedWords):
    """BERT with both heads that it is pretrained with.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3.1. It is transformers'
    `BertForPreTraining`.

    Args:
        encoder: A `BertEncoder` with a pooler.
        tokenizer: The encoder's tokenizer, or its `to_json()`: for `save_pretrained`.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: As of `MaskedLanguageModel`.
        training: Whether dropout is on.

    Returns:
        A dict of `mlm_logits`, as of `MaskedLanguageModel`, and `next_sentence_logits`, as of
        `NextSentencePredictor`.

    Raises:
        ValueError: `encoder` is of another kind, or has no pooler.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = PretrainingModel(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> {name: tuple(x.shape) for name, x in model(np.array([[2, 17, 3, 54, 3]])).items()}
    {'mlm_logits': (1, 5, 100), 'next_sentence_logits': (1, 2)}
    """

    HEADS = ("masked_lm", "next_sentence")
    NEEDS_POOLER = True

    def __init__(self, encoder: BertEncoder, tokenizer: Any = None, **kwargs: Any):
        super().__init__(encoder, tokenizer=tokenizer, **kwargs)
        self.masked_lm = self._masked_lm_head()
        self.next_sentence = new_head(encoder, 2, "next_sentence")
        self.build()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs, positions = self._split(inputs)
        outputs = self._encode(inputs, ["sequence_output", "pooled_output"], training)
        return {
            "mlm_logits": self._logits(outputs["sequence_output"], positions),
            "next_sentence_logits": self.next_sentence(outputs["pooled_output"]),
        }

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shapes and dtypes of what a call returns."""
        logits = self._logits_spec(inputs)
        next_sentence = keras.KerasTensor((logits.shape[0], 2), "float32")
        return {"mlm_logits": logits, "next_sentence_logits": next_sentence}
