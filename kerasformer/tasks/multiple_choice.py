"""The best of several choices, on a pretrained encoder."""

from typing import Any

import keras
from keras import ops

from kerasformer.checkpoints import Checkpoint
from kerasformer.layers.arguments import check_rank
from kerasformer.models import BertEncoder
from kerasformer.models.config import input_dict
from kerasformer.tasks.encoder_task import EncoderTask, new_head


@keras.saving.register_keras_serializable(package="kerasformer")
class MultipleChoice(EncoderTask):
    """Which of several choices goes with a text: an answer, an ending.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 4.4: each choice is a pair of segments,
    the text and the choice; its pooled vector, dropout, one dense layer that gives its score. It is
    transformers' `BertForMultipleChoice`.

    Args:
        encoder: A `BertEncoder` with a pooler.
        tokenizer: The encoder's tokenizer, or its `to_json()`: for `save_pretrained`.
        dropout: Share of the vectors dropped in training; by default the encoder's.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict, but of int `[batch, choices, seq]` tensors, or the ids alone.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, choices]`.

    Raises:
        ValueError: `encoder` is of another kind, or has no pooler.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = MultipleChoice(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> tuple(model(np.array([[[2, 17, 3, 54, 3], [2, 17, 3, 21, 3]]])).shape)
    (1, 2)
    """

    HEADS = ("multiple_choice",)
    NEEDS_POOLER = True

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Any = None,
        dropout: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer=tokenizer, **kwargs)
        self.dropout = encoder.config.dropout if dropout is None else dropout
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.multiple_choice = new_head(encoder, 1, "multiple_choice")
        self.build()

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        return {"multiple_choice": 1}, {"dropout": checkpoint.settings.get("dropout")}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs = input_dict(inputs, type(self).__name__)
        for name, tensor in inputs.items():
            check_rank(name, tensor, "[batch, choices, seq]")
        _, choices, length = ops.shape(inputs["input_word_ids"])
        rows = {name: ops.reshape(tensor, (-1, length)) for name, tensor in inputs.items()}
        x = self._encode(rows, ["pooled_output"], training)["pooled_output"]
        scores = self.multiple_choice(self.dropout_layer(x, training=training))
        return ops.reshape(scores, (-1, choices))

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        ids = input_dict(inputs, type(self).__name__)["input_word_ids"]
        check_rank("input_word_ids", ids, "[batch, choices, seq]")
        return keras.KerasTensor(ids.shape[:2], "float32")

    def _description(self) -> dict[str, Any]:
        return {"dropout": self.dropout}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "dropout": self.dropout}
