"""A classification head on a pretrained encoder."""

from collections.abc import Iterable
from typing import Any, Self, cast

import keras

from kerasformer.checkpoints import Checkpoint
from kerasformer.layers import SequencePooling
from kerasformer.models import BertEncoder, CausalDecoder, EncoderConfig, StaticVectors
from kerasformer.models.length import choose_max_length
from kerasformer.tasks.heads import new_head
from kerasformer.tasks.settings import read_settings, settings_of
from kerasformer.tasks.texts.frozen_features import FrozenFeatures
from kerasformer.tasks.texts.ranking import Ranking
from kerasformer.tasks.texts.reading import columns, read_texts
from kerasformer.tasks.texts.segments import segmented
from kerasformer.tasks.texts.vectors import (
    VECTORS,
    Layers,
    check_pooling,
    default_layers,
    default_pooling,
    other_vectors,
    pool_layers,
)
from kerasformer.text import Tokenized
from kerasformer.training import Recipe


@keras.saving.register_keras_serializable(package="kerasformer")
class TextClassifier(FrozenFeatures, Ranking):
    """A classifier of texts, or of pairs of texts, on BERT or GPT, fine-tuned or frozen.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 4.1: the pooled vector, dropout, one
    dense layer; on a `CausalDecoder` over its last token's vector, as transformers'
    `GPT2ForSequenceClassification` (Radford et al., "Improving Language Understanding by Generative
    Pre-Training", 2018, section 3.2). With a frozen encoder `fit` computes the vectors of the texts
    once. What it is given decides whether it takes texts or pairs, which are tuples
    `(text, text)`.

    `fit` trains for 2 epochs in batches of 32 at a learning rate of 5e-5, or 1e-4 where the encoder
    is less than 512 wide (Turc et al., https://arxiv.org/abs/1908.08962); with a frozen encoder for
    10 epochs in batches of 128 at 3e-3; and without a tokenizer, as `from_scratch` makes it, for
    5 epochs in batches of 32 at 1e-3. See the property `recipe`.

    Args:
        class_names: The names of the classes, in order, or their number.
        encoder: A `BertEncoder` or a `CausalDecoder`; the classifier leaves it as it is, and others
            may share it.
        tokenizer: The encoder's `kerasformer.text.Tokenizer`; without one, of a new encoder, `fit`
            learns a vocabulary from its training texts.
        pooling: `"mean"` over the real tokens, the default of an encoder, `"cls"`, the first token,
            `"pooled"`, BERT's dense + tanh over that, or `"lasttoken"`, a decoder's default.
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

    >>> from kerasformer.models import BertEncoder, CausalDecoder, EncoderConfig
    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "dull", "film"]
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(words)
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
    >>> classifier = TextClassifier(["bad", "good"], encoder, tokenizer)
    >>> classifier.predict(["fine film", "dull"]).shape
    (2, 2)
    """

    HEADS = ("classifier",)
    ENCODERS = (BertEncoder, CausalDecoder)
    NEEDS_TOKENIZER = True
    RECIPE = Recipe(epochs=2, learning_rate=5e-5)

    def __init__(
        self,
        class_names: int | Iterable[str],
        encoder: BertEncoder | CausalDecoder,
        tokenizer: Any = None,
        pooling: str | None = None,
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
        pooling = default_pooling(encoder) if pooling is None else pooling
        self.pooling, self.combine, self.dropout = pooling, combine, dropout
        # Its `layers` is the argument: Keras has a property of that name for the model itself.
        layers = default_layers(pooling, self.encoder_is_frozen) if layers is None else layers
        self.layer_pooling = pool_layers(layers, combine, dtype=self.dtype_policy)
        count = encoder.config.num_layers + 1
        indices = self.layer_pooling.indices(count)
        check_pooling(pooling, encoder, indices)
        self.last_block = max(indices)
        states = [(None, None, encoder.config.hidden_size)] * count
        self.layer_pooling.build(states)  # Keras quantizes no model with a layer that is not
        self.feature_size = cast(int, self.layer_pooling.compute_output_shape(states)[-1])
        if pooling != "pooled":
            self.pooling_layer = SequencePooling(pooling, dtype=self.dtype_policy)
            self.pooling_layer.build(states[0])
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        # Over a decoder's last token transformers has no bias, over other vectors there is ours.
        last = isinstance(encoder, CausalDecoder) and (pooling, layers) == ("lasttoken", "last")
        self.head = new_head(encoder, len(self.class_names), "head", use_bias=not last)
        self.build()

    @classmethod
    def from_scratch(
        cls, *args: Any, token_vectors: StaticVectors | None = None, **kwargs: Any
    ) -> Self:
        """A model whose encoder is new, and whose `fit` learns a vocabulary from its examples.

        Args:
            *args: `class_names`.
            token_vectors: Static vectors, as wide as the encoder's embeddings, from which those of
                tokens start that have one; see `start_from`.
            **kwargs: As of `EncoderTask.from_scratch`.
        """
        model = super().from_scratch(*args, **kwargs)
        if token_vectors is not None:
            model.start_from(token_vectors)
        return model

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        heads, settings = super()._heads_to_read(checkpoint, kwargs)
        own = read_settings(checkpoint, checkpoint.settings)
        trained = {"pooling": "pooled", "layers": "last", **own, **settings}
        return heads, trained if heads else {}

    @classmethod
    def _why_new(cls, checkpoint: Checkpoint, kwargs: dict[str, Any]) -> str | None:
        trained = {"pooling": "pooled", **checkpoint.settings}
        return other_vectors(trained, kwargs, checkpoint.config.num_layers + 1)

    def _description(self) -> dict[str, Any]:
        # Without pooling="pooled" it is a BertModel to transformers; only we read the head beside.
        settings = settings_of(self, (*VECTORS, "max_length", "freeze_encoder", "trained_blocks"))
        own = {"problem_type": self.problem_type, "settings": settings}
        return super()._description() | own

    @property
    def heads(self) -> dict[str, keras.layers.Layer]:
        """The head, by its name in the tables of `checkpoints`."""
        return {"classifier": self.head}

    @property
    def word_embeddings(self) -> keras.layers.Embedding:
        """The layer with a vector for each token."""
        return self.encoder.embedding.word_embeddings

    @property
    def uses_pooler(self) -> bool:
        """Whether the encoder's pooler is part of what is computed."""
        return self.pooling == "pooled"

    def tokenize(self, texts: Iterable[Any]) -> Tokenized:
        """Turns texts into the token ids that the model takes.

        Args:
            texts: A sequence of strings, or of pairs of strings, whose segments are 0 and 1.

        Raises:
            UserError: A text is no string, or the model has no tokenizer yet.
        """
        tokenized = super().tokenize(texts := read_texts(texts))
        return tokenized if columns(texts)[1] is None else segmented(tokenized, self.encoder)

    def build(self, input_shape: Any = None) -> None:
        """Creates the head's variables; the encoder has its own already."""
        self.head.build((None, self.feature_size))
        self._restore_quantized()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        is_pooled = isinstance(inputs, dict) and "features" in inputs
        vectors = inputs["features"] if is_pooled else self._vectors(inputs, training)
        return self.head(self.dropout_layer(vectors, training=training))

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        """The shape and dtype of what a call returns."""
        is_pooled = isinstance(inputs, dict) and "features" in inputs
        batch = inputs["features"].shape[0] if is_pooled else self._lead(inputs)[0]
        return keras.KerasTensor((batch, len(self.class_names)), "float32")

    def _vectors(self, inputs: Any, training: bool | None = None) -> Any:
        if self.uses_pooler:
            return self._encode(inputs, ["pooled_output"], training)["pooled_output"]
        outputs = self._encode(inputs, ["embedding_output", "encoder_outputs"], training)
        tokens = self.layer_pooling([outputs["embedding_output"], *outputs["encoder_outputs"]])
        return self.pooling_layer(tokens, padding_mask=self.encoder.padding_mask(inputs))

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
