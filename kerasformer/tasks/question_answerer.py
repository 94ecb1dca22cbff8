"""The answer to a question as a span of a text, on a pretrained encoder."""

from typing import Any

import keras

from kerasformer.checkpoints import Checkpoint
from kerasformer.models import BertEncoder
from kerasformer.tasks.encoder_task import EncoderTask, new_head


@keras.saving.register_keras_serializable(package="kerasformer")
class QuestionAnswerer(EncoderTask):
    """Where in a text the answer to a question begins and ends.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 4.2: the question is the first segment
    and the text the second; one dense layer scores each token as the answer's first and as its
    last. It is transformers' `BertForQuestionAnswering`.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's tokenizer, or its `to_json()`: for `save_pretrained`.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict of int `[batch, seq]` tensors.
        training: Whether dropout is on.

    Returns:
        A dict of `start_logits` and `end_logits`, each float32 `[batch, seq]`. Those of padding
        and of the question are there too, as in transformers: leave them out when you choose.

    Raises:
        ValueError: `encoder` is of another kind.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = QuestionAnswerer(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> {name: tuple(x.shape) for name, x in model(np.array([[2, 17, 3, 54, 3]])).items()}
    {'start_logits': (1, 5), 'end_logits': (1, 5)}
    """

    HEADS = ("span",)

    def __init__(self, encoder: BertEncoder, tokenizer: Any = None, **kwargs: Any):
        super().__init__(encoder, tokenizer=tokenizer, **kwargs)
        self.span = new_head(encoder, 2, "span")
        self.build()

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Its head; or none, for a new one, where the source has no such head."""
        return ({"span": 2} if "span" in checkpoint.heads else {}), {}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        logits = self.span(self._encode(inputs, ["sequence_output"], training)["sequence_output"])
        return {"start_logits": logits[..., 0], "end_logits": logits[..., 1]}

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shapes and dtypes of what a call returns."""
        shape = self._lead(inputs)
        return {
            name: keras.KerasTensor(shape, "float32") for name in ("start_logits", "end_logits")
        }
