"""A classification head on a pretrained encoder."""

import dataclasses
from collections.abc import Iterable
from typing import Any, cast

import keras
import numpy as np

from kerasformer import __version__
from kerasformer.checkpoints import Checkpoint
from kerasformer.data.batches import Batches, FeatureBatches, TextBatches
from kerasformer.layers import SequencePooling
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.models.config import INPUTS
from kerasformer.models.fingerprint import fingerprint
from kerasformer.models.length import choose_max_length
from kerasformer.models.structure import Structure
from kerasformer.tasks.encoder_classifier import EncoderClassifier
from kerasformer.tasks.encoder_task import new_head
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.feature_cache import FeatureCache
from kerasformer.tasks.labels import label_ids
from kerasformer.tasks.prediction import predict_rows
from kerasformer.tasks.problems import refuse_to_train
from kerasformer.tasks.string_classifier import StringClassifier
from kerasformer.tasks.vectors import (
    VECTORS,
    Layers,
    check_pooling,
    default_layers,
    other_vectors,
    pool_layers,
)
from kerasformer.text.texts import check_texts
from kerasformer.training import Recipe


@keras.saving.register_keras_serializable(package="kerasformer")
class TextClassifier(StringClassifier, EncoderClassifier):
    """A text classifier on a pretrained BERT encoder, fine-tuned or frozen.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 4.1: the pooled vector, dropout, one
    dense layer. With a frozen encoder `fit` computes the vectors of the texts once.

    `fit` trains for 2 epochs in batches of 32 at a learning rate of 5e-5, or 1e-4 where the encoder
    is less than 512 wide (Turc et al., https://arxiv.org/abs/1908.08962); with a frozen encoder for
    10 epochs in batches of 128 at 3e-3. See the property `recipe`.

    Args:
        class_names: The names of the classes, in order, or their number.
        encoder: A `BertEncoder`; the classifier leaves it as it is, and others may share it.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`.
        pooling: `"mean"` over the real tokens, `"cls"`, the first token, or `"pooled"`, BERT's
            dense + tanh over the first token.
        layers: The layers whose outputs are pooled, as of `kerasformer.layers.LayerPooling`: an
            index or several, from the embeddings (0) over the first block (1) to the last (-1),
            `"all"`, or a name such as `"sum_last_four"`. By default the last of an encoder that is
            trained, and all of a frozen one, whose vectors are worth more so (section 5.3).
        combine: What is done with several layers, as of `LayerPooling`; by default what a name
            says, else `"concat"`.
        dropout: Share of the pooled vector dropped in training.
        max_length: The most tokens of a text; by default as many as tokenizer and encoder take.
        freeze_encoder: Whether the head alone is trained.
        **kwargs: `problem_type`, as of `StringClassifier`, and Keras arguments of the model.

    Call arguments:
        inputs: The dict of `kerasformer.text.pack`, or ids; or `{"features": vectors}`, of what
            `features` returns.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, classes]`.

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

    HEADS = ("classifier",)
    NEEDS_TOKENIZER = True
    RECIPE = Recipe(epochs=2, learning_rate=5e-5)

    def __init__(
        self,
        class_names: int | Iterable[str],
        encoder: BertEncoder,
        tokenizer: Any,
        pooling: str = "mean",
        layers: Layers | None = None,
        combine: str | None = None,
        dropout: float = 0.1,
        max_length: int | None = None,
        freeze_encoder: bool = False,
        **kwargs: Any,
    ):
        positions = getattr(encoder, "config", EncoderConfig()).max_length
        length = choose_max_length(max_length, tokenizer, positions)
        kwargs |= {"tokenizer": tokenizer, "encoder": encoder, "freeze_encoder": freeze_encoder}
        super().__init__(class_names, length, **kwargs)
        self.pooling, self.combine, self.dropout = pooling, combine, dropout
        # Its `layers` is the argument: Keras has a property of that name for the model itself.
        layers = default_layers(pooling, self.encoder_is_frozen) if layers is None else layers
        self.layer_pooling = pool_layers(layers, combine, dtype=self.dtype_policy)
        count = encoder.config.num_layers + 1
        check_pooling(pooling, encoder, self.layer_pooling.indices(count))
        states = [(None, None, encoder.config.hidden_size)] * count
        self.layer_pooling.build(states)  # Keras quantizes no model with a layer that is not
        self.feature_size = cast(int, self.layer_pooling.compute_output_shape(states)[-1])
        if pooling != "pooled":
            self.pooling_layer = SequencePooling(pooling, dtype=self.dtype_policy)
            self.pooling_layer.build(states[0])
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.head = new_head(encoder, len(self.class_names), "head")
        self.build()

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        heads, settings = super()._heads_to_read(checkpoint, kwargs)
        own = dict(checkpoint.settings)
        if "max_length" in own:  # a folder may say more than its encoder takes
            own["max_length"] = min(own["max_length"], checkpoint.config.max_length)
        trained = {"pooling": "pooled", "layers": "last", **own, **settings}
        return heads, trained if heads else {}

    @classmethod
    def _why_new(cls, checkpoint: Checkpoint, kwargs: dict[str, Any]) -> str | None:
        trained = {"pooling": "pooled", **checkpoint.settings}
        return other_vectors(trained, kwargs, checkpoint.config.num_layers + 1)

    def _description(self) -> dict[str, Any]:
        # Without pooling="pooled" it is a BertModel to transformers; only we read the head beside.
        names, config = (
            (*VECTORS, "max_length", "freeze_encoder", "trained_blocks"),
            self.get_config(),
        )
        settings = {name: config[name] for name in names if config[name] is not None}
        own = {"problem_type": self.problem_type, "settings": settings}
        return super()._description() | own

    @property
    def heads(self) -> dict[str, keras.layers.Layer]:
        """The head, by its name in the tables of `checkpoints`."""
        return {"classifier": self.head}

    @property
    def uses_pooler(self) -> bool:
        """Whether the encoder's pooler is part of what is computed."""
        return self.pooling == "pooled"

    def build(self, input_shape: Any = None) -> None:
        """Creates the head's variables; the encoder has its own already."""
        self.head.build((None, self.feature_size))
        self._restore_quantized()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        is_pooled = isinstance(inputs, dict) and "features" in inputs
        vectors = inputs["features"] if is_pooled else self._pool(inputs, training)
        return self.head(self.dropout_layer(vectors, training=training))

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        """The shape and dtype of what a call returns."""
        is_pooled = isinstance(inputs, dict) and "features" in inputs
        batch = inputs["features"].shape[0] if is_pooled else self._lead(inputs)[0]
        return keras.KerasTensor((batch, len(self.class_names)), "float32")

    def _pool(self, inputs: Any, training: bool | None = None) -> Any:
        if self.uses_pooler:
            return self._encode(inputs, ["pooled_output"], training)["pooled_output"]
        outputs = self._encode(inputs, ["embedding_output", "encoder_outputs"], training)
        tokens = self.layer_pooling([outputs["embedding_output"], *outputs["encoder_outputs"]])
        return self.pooling_layer(tokens, padding_mask=self.encoder.padding_mask(inputs))

    @property
    def recipe(self) -> Recipe:
        """The hyperparameters that `fit` uses where its arguments do not say otherwise."""
        if self.encoder_is_frozen:
            return self.FROZEN_RECIPE
        small = self.encoder.config.hidden_size < 512
        return self.RECIPE.change(learning_rate=1e-4 if small else None)

    def _training_batches(self, examples: Examples, batch_size: int, **options: Any) -> Batches:
        # The frozen encoder's vectors stay the same in all epochs: they are computed once.
        if not self.encoder_is_frozen:
            return super()._training_batches(examples, batch_size, **options)
        labels = self._labels(examples, options.pop("loss"), options.pop("class_weight", None))
        vectors = self._features(examples.texts, verbose=0)
        return FeatureBatches(vectors, *labels, batch_size, **options)

    def features(
        self, texts: Any, verbose: str | int = "auto", cache: FeatureCache | None = None
    ) -> np.ndarray:
        """The encoder's pooled vectors of texts, which the head classifies.

        Args:
            texts: A sequence of strings.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.
            cache: Gives the vectors where the same encoder has computed them for the same texts.

        Returns:
            float32 `[n, feature_size]`.

        Raises:
            UserError: A text is not a string, or the cache cannot be written to.
        """
        if cache is None:
            return self._features(texts, verbose)
        return cache.get(self._features_key(texts), lambda: self._features(texts, verbose))

    def _features_key(self, texts: Any) -> str:
        config = self.get_config()
        settings = {
            "kerasformer": __version__,
            "config": dataclasses.asdict(self.encoder.config),
            "layers of the encoder": Structure(self.encoder).settings,
            **{name: config[name] for name in (*VECTORS, "tokenizer", "max_length")},
        }
        return fingerprint(settings, self.encoder.weights, check_texts(texts))

    def _features(self, texts: Any, verbose: str | int = "auto") -> np.ndarray:
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
        pooled = keras.Model(inputs, self._pool(inputs, training=False))
        data = TextBatches(self.tokenize(texts), batch_size=32, max_length=self.max_length)
        return predict_rows(pooled, data, self.feature_size, verbose)

    def fit_head(
        self,
        features: np.ndarray,
        labels: Any,
        seed: int = 0,
        *,
        epochs: int | None = None,
        validation_data: tuple[np.ndarray, Any] | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains the head alone, anew, on vectors that `features` gave, by `FROZEN_RECIPE`.

        Args:
            features: float `[n, feature_size]`.
            labels: Class names or indices `[n]`.
            seed: Of the head's first weights and of the order of the batches.
            epochs: Passes over the vectors.
            validation_data: Vectors and labels to evaluate on after each epoch.
            **options: `verbose`, `callbacks`, `initial_epoch` and `validation_freq` of `fit`.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            UserError: A label is not a class.
        """
        self.check_process()
        refuse_to_train(self.problem_type)
        keras.utils.set_random_seed(seed)
        self.head.kernel.assign(self.head.kernel_initializer.clone()(self.head.kernel.shape))
        self.head.bias.assign(keras.ops.zeros(self.head.bias.shape))
        recipe = self.FROZEN_RECIPE.change(epochs=epochs)

        def batches(vectors, labels, **order):
            ids = label_ids(labels, self.class_names)
            return FeatureBatches(vectors, ids, batch_size=recipe.batch_size, **order)

        validation = None if validation_data is None else batches(*validation_data)
        data = batches(features, labels, seed=seed)
        return self._train(data, validation, recipe, seed=seed, restart=True, **options)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "TextClassifier":
        """Makes the classifier, its encoder included, from `get_config`'s dict."""
        if "hidden_layers" not in config:
            return super().from_config(config)
        config = dict(config)  # of version 0.1
        new = {"layers": config.pop("hidden_layers"), "freeze_encoder": not config.pop("trainable")}
        model = super().from_config(config | new)
        model.encoder.trainable = True
        return model

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        layers = self.layer_pooling.chosen
        return super().get_config() | {
            "pooling": self.pooling,
            "layers": layers if isinstance(layers, str) else list(layers),
            "combine": self.combine,
            "dropout": self.dropout,
        }
