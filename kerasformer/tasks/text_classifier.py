"""A classification head on a pretrained encoder."""

import keras

from kerasformer.data.batches import TextBatches
from kerasformer.layers import SequencePooling
from kerasformer.models.encoder import BertEncoder
from kerasformer.models.string_classifier import StringClassifier, predict_rows
from kerasformer.training import Recipe


@keras.saving.register_keras_serializable(package="kerasformer")
class TextClassifier(StringClassifier):
    """A text classifier on a pretrained BERT encoder, fine-tuned or frozen.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 4.1: the pooled vector, dropout, one
    dense layer. With a frozen encoder (`encoder.trainable = False`) `fit` computes the vectors of
    the texts once and trains the dense layer on them.

    Args:
        class_names: The names of the classes, in order, or their number.
        encoder: A `BertEncoder`.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`.
        pooling: `"mean"` over the real tokens, `"cls"`, the first token, or `"pooled"`, BERT's
            dense + tanh over the first token.
        dropout: Share of the pooled vector dropped in training.
        max_length: Texts are cut after this many tokens, special tokens included; by default the
            encoder's positions.
        trainable: Whether the encoder is fine-tuned, or frozen.

    Call arguments:
        inputs: The dict of `kerasformer.text.pack`, or ids.
        training: Whether dropout is on.

    Returns:
        Class probabilities, float32 `[batch, classes]`.

    Raises:
        ValueError: An unknown pooling, or `"pooled"` with an encoder that has no pooler.

    Example:

    >>> from kerasformer.models import EncoderConfig
    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "dull", "film"]
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(words)
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
    >>> classifier = TextClassifier(["bad", "good"], encoder, tokenizer)
    >>> classifier.predict(["fine film", "dull"]).shape
    (2, 2)
    """

    # A linear model on fixed vectors is a convex problem: it takes large steps.
    FROZEN_RECIPE = Recipe(epochs=30, learning_rate=1e-2)

    def __init__(
        self,
        class_names,
        encoder,
        tokenizer,
        pooling="mean",
        dropout=0.1,
        max_length=None,
        trainable=True,
        **kwargs,
    ):
        max_length = max_length or encoder.config.max_length
        super().__init__(class_names, max_length, tokenizer, **kwargs)
        if pooling == "pooled" and encoder.pooler is None:
            raise ValueError(
                "pooling='pooled' needs a pooler and this encoder has none; use 'mean'."
            )
        if pooling not in ("pooled", "cls", "mean"):
            raise ValueError(f"pooling={pooling!r} is not one of 'pooled', 'cls', 'mean'.")
        self.encoder = encoder
        self.encoder.trainable = trainable
        if trainable and encoder.pooler is not None:
            encoder.pooler.trainable = pooling == "pooled"  # else no gradient reaches it
        self.pooling = pooling
        self.dropout = dropout
        self.pooling_layer = None
        if pooling != "pooled":
            self.pooling_layer = SequencePooling(pooling, dtype=self.dtype_policy)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.head = keras.layers.Dense(
            len(self.class_names),
            activation="softmax",
            kernel_initializer=keras.initializers.TruncatedNormal(
                stddev=encoder.config.initializer_range
            ),
            dtype="float32",
            name="head",
        )
        self.build()

    @classmethod
    def from_pretrained(cls, source, class_names, **kwargs):
        """A new head on a published encoder.

        Args:
            source: A folder in the Hugging Face layout, a preset's name such as
                `"all-MiniLM-L6-v2"`, or `"hf://owner/name"`; see `kerasformer.resolve`.
            class_names: The names of the classes, in order, or their number.
            **kwargs: Further arguments of the class.

        Returns:
            A `TextClassifier` to be trained.

        Raises:
            UserError: There is no such source, or its files are not a BERT encoder's.
        """
        from kerasformer.checkpoints import resolve
        from kerasformer.text import WordPieceTokenizer

        folder = resolve(source)
        encoder = BertEncoder.from_pretrained(folder)
        return cls(class_names, encoder, WordPieceTokenizer.from_pretrained(folder), **kwargs)

    def build(self, input_shape=None):
        """Creates the head's variables; the encoder has its own already."""
        self.head.build((None, self.encoder.config.hidden_size))
        self.built = True

    def call(self, inputs, training=None):
        """See the class."""
        return self.head(self.dropout_layer(self._pool(inputs, training), training=training))

    def _pool(self, inputs, training=None):
        # A frozen encoder works as in inference, dropout off.
        training = training if self.encoder.trainable else False
        if self.pooling_layer is None:
            outputs = self.encoder(inputs, outputs=["pooled_output"], training=training)
            return outputs["pooled_output"]
        outputs = self.encoder(inputs, outputs=["sequence_output"], training=training)
        mask = self.encoder.padding_mask(inputs)
        return self.pooling_layer(outputs["sequence_output"], padding_mask=mask)

    @property
    def recipe(self):
        """What `fit` does where its arguments do not say otherwise."""
        return self.RECIPE if self.encoder.trainable else self.FROZEN_RECIPE

    def _train(self, data, validation_data, recipe, **kwargs):
        if self.encoder.trainable or recipe is None:
            return super()._train(data, validation_data, recipe, **kwargs)
        # The encoder does not change, so neither do its vectors: they are computed once.
        width = self.encoder.config.hidden_size
        head = keras.Sequential([keras.Input((width,)), self.dropout_layer, self.head])
        recipe.compile(head, steps_per_epoch=len(data))
        if validation_data is not None:
            validation_data = (self._features(validation_data), validation_data.labels)
        return head.fit(
            self._features(data),
            data.labels,
            sample_weight=data.sample_weight,
            batch_size=recipe.batch_size,
            validation_data=validation_data,
            **kwargs,
        )

    def _features(self, data):
        """The pooled vectors `[n, hidden_size]` of texts, in their order."""
        inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("input_word_ids", "input_mask", "input_type_ids")
        }
        pooled = keras.Model(inputs, self._pool(inputs, training=False))
        data = TextBatches(data.encoded, batch_size=data.batch_size)
        return predict_rows(pooled, data, self.encoder.config.hidden_size, verbose="auto")

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "pooling": self.pooling,
            "dropout": self.dropout,
            "trainable": self.encoder.trainable,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Makes the classifier, its encoder included, from `get_config`'s dict."""
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})
