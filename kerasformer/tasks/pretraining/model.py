"""BERT with the heads that it is pretrained with: masked words, and the next sentence."""

from typing import Any

import keras

from kerasformer.models import BertEncoder
from kerasformer.tasks.heads import new_head
from kerasformer.tasks.pretraining.masked_words import MaskedWords


@keras.saving.register_keras_serializable(package="kerasformer")
class PretrainingModel(MaskedWords):
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
        inputs, positions = self._split_inputs(inputs)
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
