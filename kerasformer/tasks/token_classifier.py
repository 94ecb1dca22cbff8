"""A class for each token, on a pretrained encoder."""

import keras

from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.export.huggingface import save_pretrained
from kerasformer.tasks.pretrained import (
    EncoderTask,
    choose_class_names,
    new_head,
    read_task,
    refuse_without_names,
)
from kerasformer.tasks.string_classifier import check_class_names


@keras.saving.register_keras_serializable(package="kerasformer")
class TokenClassifier(EncoderTask):
    """A class for each token: named entities, parts of speech.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 5.3: each token's vector of the last
    block, dropout, one dense layer. It is transformers' `BertForTokenClassification`.

    Args:
        class_names: The names of the classes, in order, or their number.
        encoder: A `BertEncoder`.
        tokenizer: The encoder's tokenizer, or its `to_json()`: for `save_pretrained`.
        dropout: Share of the vectors dropped in training; by default the encoder's.

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

    def __init__(self, class_names, encoder, tokenizer=None, dropout=None, **kwargs):
        super().__init__(encoder, tokenizer, **kwargs)
        self.class_names = check_class_names(class_names)
        self.dropout = encoder.config.dropout if dropout is None else dropout
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.token_classifier = new_head(encoder, len(self.class_names), "token_classifier")
        self.build()

    @classmethod
    def from_pretrained(cls, source, class_names=None, dtype=None, **kwargs):
        """Reads a published token classifier, or puts a new head on a published encoder.

        Args:
            source: A folder or file, a preset's name or a handle; see `kerasformer.resolve`.
            class_names: The names of the classes, in order, or their number. Of a source with a
                head: other names for its classes.
            dtype: Keras dtype policy of the encoder, such as `"mixed_bfloat16"`.
            **kwargs: Further arguments of the class.

        Returns:
            A `TokenClassifier`; with a new head, to be trained.

        Raises:
            UserError: There is no such source, its head is damaged or of another number of
                classes, or it has none and there are no class names for a new one.
        """
        checkpoint, heads = open_checkpoint(source), {}
        (head,) = cls.HEADS
        if head in checkpoint.heads:
            class_names = choose_class_names(checkpoint, head, class_names)
            heads = {head: len(class_names)}
            kwargs = {"dropout": checkpoint.settings.get("dropout"), **kwargs}
        elif class_names is None:
            refuse_without_names(checkpoint, head)
        return read_task(cls, checkpoint, heads, dtype, class_names=class_names, **kwargs)

    def save_pretrained(self, folder):
        """Writes the model in the Hugging Face layout; see `BertEncoder.save_pretrained`.

        Args:
            folder: Where to; made if it is not there.

        Raises:
            UserError: The folder cannot be written to.
        """
        save_pretrained(
            folder,
            self.encoder,
            self.heads,
            tokenizer=self.tokenizer,
            class_names=self.class_names,
            dropout=self.dropout,
        )

    def call(self, inputs, training=None):
        """See the class."""
        x = self._encode(inputs, ["sequence_output"], training)["sequence_output"]
        return self.token_classifier(self.dropout_layer(x, training=training))

    def compute_output_spec(self, inputs, training=None):
        """The shape and dtype of what a call returns."""
        return keras.KerasTensor((*self._lead(inputs), len(self.class_names)), "float32")

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "class_names": list(self.class_names),
            "dropout": self.dropout,
        }
