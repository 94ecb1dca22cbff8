"""A classification head on a pretrained encoder."""

import dataclasses
import pathlib

import keras

from kerasformer import __version__
from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.export.huggingface import save_pretrained
from kerasformer.data.batches import TextBatches
from kerasformer.errors import UserError
from kerasformer.layers import LayerPooling, SequencePooling
from kerasformer.layers.arguments import check_sizes
from kerasformer.models.fingerprint import fingerprint
from kerasformer.tasks.pretrained import (
    choose_class_names,
    new_head,
    read_task,
    refuse_without_names,
)
from kerasformer.tasks.string_classifier import StringClassifier, predict_rows
from kerasformer.text.texts import check_texts
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
        hidden_layers: The layers whose outputs are pooled, concatenated: indices from the
            embeddings (0) over the first block (1) to the last (-1), or `"all"`. Frozen vectors
            are worth more from several layers, Devlin et al., section 5.3.
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
        ValueError: An unknown pooling, `"pooled"` with an encoder that has no pooler or with
            other layers than the last, or a layer that the encoder does not have.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "dull", "film"]
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(words)
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
    >>> classifier = TextClassifier(["bad", "good"], encoder, tokenizer)
    >>> classifier.predict(["fine film", "dull"]).shape
    (2, 2)
    """

    RECIPE = Recipe(epochs=2, learning_rate=5e-5)
    # A linear model on fixed vectors is a convex problem: it takes large steps.
    FROZEN_RECIPE = Recipe(epochs=10, batch_size=128, learning_rate=3e-3)

    def __init__(
        self,
        class_names,
        encoder,
        tokenizer,
        pooling="mean",
        hidden_layers=(-1,),
        dropout=0.1,
        max_length=None,
        trainable=True,
        **kwargs,
    ):
        max_length = encoder.config.max_length if max_length is None else max_length
        check_sizes(max_length=max_length)
        super().__init__(class_names, max_length, tokenizer, **kwargs)
        _check_pooling(pooling, encoder)
        self.hidden_layers = _check_hidden_layers(hidden_layers, pooling, encoder)
        self.encoder = encoder
        self.encoder.trainable = trainable
        if trainable and encoder.pooler is not None:
            encoder.pooler.trainable = pooling == "pooled"  # else no gradient reaches it
        self.pooling = pooling
        self.dropout = dropout
        self.layer_pooling = self.pooling_layer = None
        if pooling != "pooled":
            self.layer_pooling = LayerPooling(self.hidden_layers, "concat", dtype=self.dtype_policy)
            self.pooling_layer = SequencePooling(pooling, dtype=self.dtype_policy)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.head = new_head(encoder, len(self.class_names), "head", activation="softmax")
        self.build()

    @classmethod
    def from_pretrained(cls, source, class_names=None, dtype=None, **kwargs):
        """Reads a published classifier, or puts a new head on a published encoder.

        A head is read where the source has one (`BertForSequenceClassification`, or what
        `save_pretrained` wrote) and `pooling` and `hidden_layers`, if they are given, are those
        that it was trained on.

        Args:
            source: A folder or file, a preset's name such as `"all-MiniLM-L6-v2"`, or
                `"hf://owner/name"`; see `kerasformer.resolve`.
            class_names: The names of the classes, in order, or their number. Of a source with a
                head: other names for its classes.
            dtype: Keras dtype policy of the encoder and the pooling, such as `"mixed_bfloat16"`.
            **kwargs: Further arguments of the class.

        Returns:
            A `TextClassifier`; with a new head, to be trained.

        Raises:
            UserError: There is no such source, it has no tokenizer, its head is damaged or of
                another number of classes, or it has none and there are no class names for a new
                one.
        """
        checkpoint, heads = open_checkpoint(source), {}
        settings = {"pooling": "pooled", "hidden_layers": [-1], **checkpoint.settings}
        has_head = "classifier" in checkpoint.heads
        if has_head and _same_vectors({**settings, **kwargs}, settings, checkpoint.config):
            class_names = choose_class_names(checkpoint, "classifier", class_names)
            heads, kwargs = {"classifier": len(class_names)}, {**settings, **kwargs}
        elif class_names is None:
            refuse_without_names(checkpoint, "classifier")
            raise UserError(
                f"The classifier of {checkpoint.path} takes pooling={settings['pooling']!r} of "
                f"hidden_layers={settings['hidden_layers']}: ask for these, or give class_names "
                "for a new head."
            )
        if "tokenizer" not in kwargs:
            kwargs["tokenizer"] = checkpoint.read_tokenizer()
        return read_task(cls, checkpoint, heads, dtype, class_names=class_names, **kwargs)

    @classmethod
    def load(cls, folder):
        """Reads what `save_pretrained` wrote.

        Args:
            folder: The folder.

        Returns:
            The classifier.

        Raises:
            UserError: The folder holds no such classifier, or a damaged one.
        """
        return cls.from_pretrained(pathlib.Path(folder))

    def save_pretrained(self, folder):
        """Writes the classifier in the Hugging Face layout: encoder, head and tokenizer.

        With `pooling="pooled"` it is a `BertForSequenceClassification`, which transformers reads
        whole. Any other is a `BertModel` there, with the head beside it, which only `load` and
        `from_pretrained` read.

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
            settings={
                "pooling": self.pooling,
                "hidden_layers": list(self.hidden_layers),
                "max_length": self.max_length,
                "trainable": self.encoder.trainable,
            },
        )

    @property
    def heads(self):
        """The layer of the head, by the name that the tables of `checkpoints` give it."""
        return {"classifier": self.head}

    def build(self, input_shape=None):
        """Creates the head's variables; the encoder has its own already."""
        self.head.build((None, self.feature_size))
        self.built = True

    @property
    def feature_size(self):
        """The width of the vector that the head classifies."""
        return len(self.hidden_layers) * self.encoder.config.hidden_size

    def call(self, inputs, training=None):
        """See the class."""
        return self.head(self.dropout_layer(self._pool(inputs, training), training=training))

    def compute_output_spec(self, inputs, training=None):
        """The shape and dtype of what a call returns."""
        spec = self.encoder.compute_output_spec(inputs, ["sequence_output"])
        return keras.KerasTensor(
            (spec["sequence_output"].shape[0], len(self.class_names)), "float32"
        )

    def _pool(self, inputs, training=None):
        # A frozen encoder works as in inference, dropout off.
        training = training if self.encoder.trainable else False
        if self.pooling_layer is None:
            outputs = self.encoder(inputs, outputs=["pooled_output"], training=training)
            return outputs["pooled_output"]
        names = ["embedding_output", "encoder_outputs"]
        outputs = self.encoder(inputs, outputs=names, training=training)
        tokens = self.layer_pooling([outputs["embedding_output"], *outputs["encoder_outputs"]])
        return self.pooling_layer(tokens, padding_mask=self.encoder.padding_mask(inputs))

    @property
    def recipe(self):
        """What `fit` does where its arguments do not say otherwise."""
        if not self.encoder.trainable:
            return self.FROZEN_RECIPE
        # Small encoders take larger steps: Turc et al., https://arxiv.org/abs/1908.08962.
        small = self.encoder.config.hidden_size < 512
        return self.RECIPE.change(learning_rate=1e-4 if small else None)

    def _train(self, data, validation_data, recipe, **kwargs):
        if self.encoder.trainable or recipe is None:
            return super()._train(data, validation_data, recipe, **kwargs)
        # The encoder does not change, so neither do its vectors: they are computed once.
        if validation_data is not None:
            size = validation_data.batch_size
            vectors = self._features(validation_data.tokenized, batch_size=size)
            validation_data = (vectors, validation_data.labels)
        return self._fit_head(
            self._features(data.tokenized, batch_size=data.batch_size),
            data.labels,
            recipe,
            sample_weight=data.sample_weight,
            validation_data=validation_data,
            **kwargs,
        )

    def features(self, texts, verbose="auto", cache=None):
        """The encoder's pooled vectors of texts, which the head classifies.

        Args:
            texts: A sequence of strings.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.
            cache: A `kerasformer.tasks.FeatureCache`, which gives the vectors where the same
                encoder has computed them for the same texts, and keeps them where not.

        Returns:
            float32 `[n, feature_size]`.

        Raises:
            UserError: A text is no string, or the cache cannot be written to.
        """

        def compute():
            return self._features(self.tokenize(texts), verbose)

        return compute() if cache is None else cache.get(self._features_key(texts), compute)

    def _features_key(self, texts):
        settings = {
            "kerasformer": __version__,
            "config": dataclasses.asdict(self.encoder.config),
            "dtype": self.encoder.dtype_policy.name,
            "tokenizer": self.tokenizer.to_json(),
            "max_length": self.max_length,
            "pooling": self.pooling,
            "hidden_layers": self.hidden_layers,
        }
        return fingerprint(settings, self.encoder.weights, check_texts(texts))

    def fit_head(self, features, labels, seed=0, **kwargs):
        """Trains the head alone, anew, on vectors that `features` gave.

        Args:
            features: float `[n, feature_size]`.
            labels: Class names or indices `[n]`.
            seed: Of the head's first weights and of the order of the batches.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            UserError: A label is no class.
        """
        keras.utils.set_random_seed(seed)
        self.head.kernel.assign(self.head.kernel_initializer.clone()(self.head.kernel.shape))
        self.head.bias.assign(keras.ops.zeros_like(self.head.bias))
        return self._fit_head(features, self.label_ids(labels), self.FROZEN_RECIPE, **kwargs)

    def _fit_head(self, features, labels, recipe, **kwargs):
        dropout = keras.layers.Dropout(self.dropout)  # a new one, for the seed to hold
        head = keras.Sequential([keras.Input(features.shape[1:]), dropout, self.head])
        recipe.compile(head, steps_per_epoch=-(-len(features) // recipe.batch_size))
        return head.fit(
            features,
            labels,
            batch_size=recipe.batch_size,
            **{"epochs": recipe.epochs, **kwargs},
        )

    def _features(self, tokenized, verbose="auto", batch_size=32):
        inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("input_word_ids", "input_mask", "input_type_ids")
        }
        pooled = keras.Model(inputs, self._pool(inputs, training=False))
        data = TextBatches(tokenized, batch_size=batch_size, max_length=self.max_length)
        return predict_rows(pooled, data, self.feature_size, verbose)

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "pooling": self.pooling,
            "hidden_layers": list(self.hidden_layers),
            "dropout": self.dropout,
            "trainable": self.encoder.trainable,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Makes the classifier, its encoder included, from `get_config`'s dict."""
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})


def _check_pooling(pooling, encoder):
    if pooling not in ("pooled", "cls", "mean"):
        raise ValueError(f"pooling={pooling!r} is not one of 'pooled', 'cls', 'mean'.")
    if pooling == "pooled" and encoder.pooler is None:
        raise ValueError("pooling='pooled' needs a pooler, which this encoder lacks; use 'mean'.")


def _check_hidden_layers(hidden_layers, pooling, encoder):
    """The layers as a tuple of indices."""
    count = encoder.config.num_layers + 1
    layers = tuple(range(count)) if hidden_layers == "all" else tuple(hidden_layers)
    if not layers or not all(isinstance(i, int) and -count <= i < count for i in layers):
        raise ValueError(
            f"hidden_layers={hidden_layers!r} is neither 'all' nor indices of the encoder's "
            f"{count} layers, from {-count} to {count - 1}."
        )
    if pooling == "pooled" and layers not in ((-1,), (count - 1,)):
        raise ValueError("pooling='pooled' takes the last layer alone; use 'mean' or 'cls'.")
    return layers


def _same_vectors(one, other, config):
    """Whether two of the class's arguments give the head the same vectors."""
    count = config.num_layers + 1

    def layers(arguments):
        layers = arguments["hidden_layers"]
        return [i % count for i in (range(count) if layers == "all" else layers)]

    return one["pooling"] == other["pooling"] and layers(one) == layers(other)
