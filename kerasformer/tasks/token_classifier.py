"""A class for each token, on a pretrained encoder."""

from collections.abc import Iterable
from typing import Any

import keras

from kerasformer.models import BertEncoder
from kerasformer.tasks.encoder_classifier import EncoderClassifier
from kerasformer.tasks.encoder_task import new_head
from kerasformer.tasks.labels import check_class_names
from kerasformer.tasks.token_labels import TokenLabelled


@keras.saving.register_keras_serializable(package="kerasformer")
class TokenClassifier(TokenLabelled, EncoderClassifier):
    """A class for each token: named entities, parts of speech.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 5.3: each token's vector of the last
    block, dropout, one dense layer. It is transformers' `BertForTokenClassification`.

    Args:
        class_names: The names of the classes, in order, or their number.
        encoder: A `BertEncoder`.
        tokenizer: The encoder's tokenizer, or its `to_json()`: for `save_pretrained`.
        dropout: Share of the vectors dropped in training; by default the encoder's.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict of int `[batch, seq]` tensors, or the ids alone.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, seq, classes]`; those of padding mean nothing.

    Raises:
        ValueError: `encoder` is of another kind, or the class names are not two different ones at
            least.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=100))
    >>> model = TokenClassifier(["O", "B-PER", "I-PER"], encoder)
    >>> tuple(model(np.array([[2, 17, 54, 3]])).shape)
    (1, 4, 3)
    """

    HEADS = ("token_classifier",)

    def __init__(
        self,
        class_names: int | Iterable[str],
        encoder: BertEncoder,
        tokenizer: Any = None,
        dropout: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer=tokenizer, **kwargs)
        self.class_names = check_class_names(class_names)
        self.dropout = encoder.config.dropout if dropout is None else dropout
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.token_classifier = new_head(encoder, len(self.class_names), "token_classifier")
        self.build()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        x = self._encode(inputs, ["sequence_output"], training)["sequence_output"]
        return self.token_classifier(self.dropout_layer(x, training=training))

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        return keras.KerasTensor((*self._lead(inputs), len(self.class_names)), "float32")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "class_names": list(self.class_names),
            "dropout": self.dropout,
        }
