"""How the tasks are made of a published model, and what those on token ids share."""

import keras

from kerasformer.checkpoints import Checkpoint, open_checkpoint
from kerasformer.checkpoints.export.huggingface import save_pretrained
from kerasformer.errors import UserError
from kerasformer.models.encoder import BertEncoder
from kerasformer.models.export import ServingExport
from kerasformer.tasks.string_classifier import check_class_names
from kerasformer.text import Tokenizer


def read_task(cls, checkpoint: Checkpoint, heads, dtype=None, **kwargs):
    """Makes a task's model of a published one.

    Args:
        cls: The class, with a property `heads`.
        checkpoint: The published model.
        heads: The number of outputs by the name of each head to be read; the others start anew.
        dtype: Keras dtype policy.
        **kwargs: Arguments of the class; `tokenizer` too, in place of the source's.

    Raises:
        UserError: A head or the tokenizer is not sound, or the class takes no such model.
    """
    for head, num_classes in heads.items():
        checkpoint.check_head(head, num_classes)
    if "tokenizer" not in kwargs:
        kwargs["tokenizer"] = checkpoint.read_tokenizer() if checkpoint.has_tokenizer else None
    _check_vocabulary(kwargs["tokenizer"], checkpoint)
    encoder = checkpoint.load_encoder(BertEncoder, dtype=dtype)
    try:
        model = cls(encoder=encoder, dtype=dtype, **kwargs)
    except ValueError as error:
        raise UserError(f"{checkpoint.path} makes no {cls.__name__}: {error}") from None
    for head, num_classes in heads.items():
        checkpoint.load_head(head, model.heads[head], num_classes)
    return model


def _check_vocabulary(tokenizer, checkpoint: Checkpoint):
    tokens, rows = tokenizer and tokenizer.vocab_size, checkpoint.config.vocab_size
    if tokenizer is not None and tokens > rows:
        raise UserError(
            f"The tokenizer has {tokens:,} tokens and the encoder of {checkpoint.path} embeddings "
            f"for {rows:,}: they do not belong together."
        )


def choose_class_names(checkpoint: Checkpoint, head: str, class_names):
    """The names for a classifier that is read: those given, or else the source's.

    Raises:
        UserError: There are not as many given as the classifier has, or none where the source has
            none either.
    """
    names = checkpoint.class_names if class_names is None else check_class_names(class_names)
    count = checkpoint.num_classes(head)
    if names is None:
        raise UserError(
            f"{checkpoint.path} does not name the {count} classes of its classifier: give "
            "class_names."
        )
    if len(names) != count:
        raise UserError(
            f"{checkpoint.path} has a classifier of {count} classes, and class_names has "
            f"{len(names)}: give as many, which then rename them."
        )
    return names


def new_head(encoder: BertEncoder, units: int, name: str, activation=None):
    """A head of one dense layer, in float32, as its outputs go into a softmax."""
    deviation = encoder.config.initializer_range
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=deviation),
        dtype="float32",
        name=name,
    )


def refuse_without_names(checkpoint: Checkpoint, head: str):
    """Says why a classifier's head is not read, and what a new one needs.

    Raises:
        UserError: Always, where the source's head cannot be read.
    """
    try:
        checkpoint.check_head(head)
    except UserError as error:
        raise UserError(f"{str(error).rstrip('.')}; for a new head, give class_names.") from None


class EncoderTask(ServingExport):
    """A BERT encoder with heads, on token ids.

    A child gives the layers of its heads by their names in the tables of `checkpoints`.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's tokenizer, or its `to_json()`: for `save_pretrained`.
    """

    HEADS = ()
    NEEDS_POOLER = False

    def __init__(self, encoder, tokenizer=None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(encoder, BertEncoder):
            raise ValueError(f"encoder is a BertEncoder, not {encoder!r}.")
        if self.NEEDS_POOLER and encoder.pooler is None:
            raise ValueError(
                f"{type(self).__name__} needs a pooler, which this encoder lacks: give one with "
                "EncoderConfig(pooler=True)."
            )
        if not self.NEEDS_POOLER and encoder.pooler is not None:
            encoder.pooler.trainable = False  # no gradient reaches it
        self.encoder = encoder
        self.tokenizer = Tokenizer.from_json(tokenizer) if isinstance(tokenizer, str) else tokenizer
        self.autocast = False  # ids given as floats do not fit into float16

    @property
    def heads(self):
        """The layers of the heads, by the names that the tables of `checkpoints` give them."""
        return {name: getattr(self, name) for name in self.HEADS}

    @classmethod
    def from_pretrained(cls, source, dtype=None, **kwargs):
        """Reads a published model with its heads, from any format that has them.

        Args:
            source: A folder or file, a preset's name or a handle; see `kerasformer.resolve`.
            dtype: Keras dtype policy of the model, such as `"mixed_bfloat16"`.
            **kwargs: Further arguments of the class.

        Returns:
            The model.

        Raises:
            UserError: There is no such source, or it holds no such head, or one that is damaged.
        """
        return read_task(cls, open_checkpoint(source), dict.fromkeys(cls.HEADS, 2), dtype, **kwargs)

    def save_pretrained(self, folder):
        """Writes the model in the Hugging Face layout; see `BertEncoder.save_pretrained`.

        Args:
            folder: Where to; made if it is not there.

        Raises:
            UserError: The folder cannot be written to, or transformers has no such model.
        """
        save_pretrained(folder, self.encoder, self.heads, tokenizer=self.tokenizer)

    def _encode(self, inputs, outputs, training=None):
        # A frozen encoder works as in inference, dropout off.
        training = training if self.encoder.trainable else False
        return self.encoder(inputs, outputs=outputs, training=training)

    def _lead(self, inputs):
        """Batch and length of the encoder's inputs, checked, for `compute_output_spec`."""
        spec = self.encoder.compute_output_spec(inputs, ["sequence_output"])
        return spec["sequence_output"].shape[:2]

    def build(self, input_shape=None):
        """Creates the heads' variables; the encoder has its own already."""
        for layer in self.heads.values():
            layer.build((None, None, self.encoder.config.hidden_size))
        self.built = True

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "tokenizer": self.tokenizer and self.tokenizer.to_json(),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Makes the model, its encoder included, from `get_config`'s dict."""
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})
