"""BERT that tells whether one sentence follows another."""

from typing import Any

import keras

from kerasformer.models import BertEncoder
from kerasformer.tasks.encoder_task import EncoderTask, new_head


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
