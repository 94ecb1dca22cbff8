"""A class for each word of a sentence, on a pretrained encoder."""

import itertools
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasformer.checkpoints import Checkpoint
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.models.length import choose_max_length
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.feature_cache import FeatureCache
from kerasformer.tasks.frozen_vectors import FrozenVectors
from kerasformer.tasks.heads import new_head
from kerasformer.tasks.settings import read_settings, settings_of
from kerasformer.tasks.tagging.tagged import flat_labels
from kerasformer.tasks.tagging.token_batches import WordFeatureBatches
from kerasformer.tasks.tagging.token_features import word_features
from kerasformer.tasks.tagging.token_vectors import TokenVectors, trained_on
from kerasformer.tasks.tagging.word_tagger import WordTagger
from kerasformer.tasks.texts.labels import check_class_names
from kerasformer.tasks.texts.vectors import Layers
from kerasformer.training import Recipe

_SETTINGS = ("max_length", "overlap", "freeze_encoder", "trained_blocks")


@keras.saving.register_keras_serializable(package="kerasformer")
class TokenClassifier(WordTagger, FrozenVectors):
    """A class for each word: named entities, parts of speech.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 5.3: each token's vector of the last
    block, dropout, one dense layer. It is transformers' `BertForTokenClassification`. A word is
    judged by its first token; a sentence that is longer than `max_length` in several windows, each
    word in the one that has most context of it.

    `fit` trains for 3 epochs in batches of 16 at a learning rate of 5e-5, or 1e-4 where the encoder
    is less than 512 wide; with a frozen encoder for 10 epochs in batches of 32 at 3e-3.

    Args:
        class_names: The names of the classes, in order, or their number.
        encoder: A `BertEncoder`.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`, or its `to_json()`. Without
            one `fit` learns a vocabulary from its training words, upper and lower case kept.
        dropout: Share of the vectors dropped in training; by default the encoder's.
        layers: The layers whose outputs are judged, as of `kerasformer.layers.LayerPooling`: an
            index or several, from the embeddings (0) over the first block (1) to the last (-1),
            `"all"`, or a name such as `"concat_last_four"`; and the weighted sums with learnt
            weights `"weighted_last_four"` and `"weighted_all"`, of all blocks. Those of BERT's
            table 7 are `TABLE_7` of `kerasformer.tasks.tagging.token_vectors`; the head there is a
            BiLSTM.
        combine: What is done with several layers, as of `LayerPooling`; by default what a name
            says, else `"concat"`.
        max_length: The most tokens of a window; by default as many as tokenizer and encoder take.
        overlap: The tokens that consecutive windows have in common; by default a quarter.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict of int `[batch, seq]` tensors, or the ids alone; or `{"features":
            vectors}`, `[batch, words, ...]`, of those that `features` returns.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, seq, classes]`; those of padding mean nothing.

    Raises:
        ValueError: `encoder` is of another kind, the class names are not two different ones at
            least, or there is no such layer or combination.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> words, tags = [["Ada", "saw", "Rome"], ["Bo", "slept"]], [["P", "O", "L"], ["P", "O"]]
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=100))
    >>> model = TokenClassifier(["O", "P", "L"], encoder)
    >>> history = model.fit(words, tags, epochs=1, verbose=0)
    >>> [len(names) for names in model.tag(words)], model.predict(words)[0].shape
    ([3, 2], (3, 3))
    """

    HEADS = ("token_classifier",)
    RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=5e-5)
    FROZEN_RECIPE = Recipe(epochs=10, batch_size=32, learning_rate=3e-3)

    def __init__(
        self,
        class_names: int | Iterable[str],
        encoder: BertEncoder,
        tokenizer: Any = None,
        dropout: float | None = None,
        layers: Layers = "last",
        combine: str | None = None,
        max_length: int | None = None,
        overlap: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder=encoder, tokenizer=tokenizer, **kwargs)
        config = encoder.config
        self.class_names = check_class_names(class_names)
        self.dropout = config.dropout if dropout is None else dropout
        self.max_length = choose_max_length(max_length, self.tokenizer, config.max_length)
        self.overlap = overlap
        sizes = {"blocks": config.num_layers, "hidden_size": config.hidden_size}
        self.vectors = TokenVectors(layers, combine, **sizes, dtype=self.dtype_policy)
        self.last_block = max(self.vectors.indices)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.token_classifier = new_head(encoder, len(self.class_names), "token_classifier")
        self.build()

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        heads, settings = super()._heads_to_read(checkpoint, kwargs)
        own = read_settings(checkpoint, ("layers", "combine", *_SETTINGS))
        return heads, own | settings if heads else {}

    @classmethod
    def _why_new(cls, checkpoint: Checkpoint, kwargs: dict[str, Any]) -> str | None:
        return trained_on(checkpoint.settings, kwargs, checkpoint.config)

    def _description(self) -> dict[str, Any]:
        vectors = {name: one for name, one in self.vectors.saved.items() if one is not None}
        settings = settings_of(self, _SETTINGS) | vectors
        described = super()._description() | {"settings": settings}
        if self.vectors.mix is not None:
            like = new_head(self.encoder, len(self.class_names), "token_classifier")
            described["heads"] = {
                "token_classifier": self.vectors.unmixed(self.token_classifier, like)
            }
        return described

    def build(self, input_shape: Any = None) -> None:
        """Creates the head's variables; the encoder has its own already."""
        self.token_classifier.build((None, None, self.vectors.feature_shape[-1]))
        self._restore_quantized()

    @property
    def head(self) -> keras.layers.Dense:
        """The head, `token_classifier`."""
        return self.token_classifier

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        has_features = isinstance(inputs, dict) and "features" in inputs
        x = inputs["features"] if has_features else self._vectors(inputs, training)
        x = self.dropout_layer(self.vectors.judged(x), training=training)
        return self.token_classifier(x)

    def _vectors(self, inputs: Any, training: bool | None = None) -> Any:
        """What `features` are of each token, `[batch, seq, ...]`."""
        if self.vectors.is_last:
            return self._encode(inputs, ["sequence_output"], training)["sequence_output"]
        outputs = self._encode(inputs, ["embedding_output", "encoder_outputs"], training)
        return self.vectors([outputs["embedding_output"], *outputs["encoder_outputs"]])

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        has_features = isinstance(inputs, dict) and "features" in inputs
        lead = inputs["features"].shape[:2] if has_features else self._lead(inputs)
        return keras.KerasTensor((*lead, len(self.class_names)), "float32")

    def _feature_batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> WordFeatureBatches:
        columns = flat_labels(examples, self.class_names, class_weight)
        features = self.features(examples.texts, verbose=0, cache=self.feature_cache)
        counts = list(map(len, examples.texts))
        return WordFeatureBatches(features, counts, *columns, batch_size, **order)

    def features(
        self, words: Any, verbose: str | int = "auto", cache: FeatureCache | None = None
    ) -> np.ndarray:
        """The encoder's vectors of all words of sentences, which the head judges.

        Args:
            words: Sentences as lists of words.
            verbose: Whether to show a progress bar; by default for many sentences on a terminal.
            cache: Gives the vectors where the same encoder has computed them for the same words.

        Returns:
            float32 `[words, size]`, of one sentence after another; of a weighted sum, which the
            head learns, `[words, layers, size]`.

        Raises:
            UserError: A word is not a string, or the features cannot be kept.
        """
        sentences = self._read(words).texts

        def compute():
            return word_features(self, self._windows(sentences), verbose)

        settings: dict[str, Any] = {
            "vectors of words": [self.vectors.indices, self.vectors.pooling.combine],
            "counts": list(map(len, sentences)),
            "lengths": [self.max_length, self.overlap],
        }
        return self._kept(cache, compute, itertools.chain.from_iterable(sentences), **settings)

    def fit_head(
        self,
        features: np.ndarray,
        tags: Any,
        seed: int = 0,
        *,
        epochs: int | None = None,
        validation_data: tuple[np.ndarray, Any] | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains the head alone, anew, on vectors that `features` gave, by `FROZEN_RECIPE`.

        Args:
            features: float `[words, size]`.
            tags: The names or indices of the classes of these words, a list for each sentence.
            seed: Of the head's first weights and of the order of the batches.
            epochs: Passes over the vectors.
            validation_data: Vectors and tags to evaluate on after each epoch.
            **options: `verbose`, `callbacks`, `initial_epoch` and `validation_freq` of `fit`.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            UserError: A tag is not a class, or there are not as many as vectors.
        """

        def batches(vectors, tags, **order):
            counts = list(map(len, tags))
            if sum(counts) != len(vectors):
                raise UserError(
                    f"Got vectors of {len(vectors):,} words and tags for {sum(counts):,}: give one "
                    "for each."
                )
            labels, _ = flat_labels(Examples([], tags), self.class_names)
            return WordFeatureBatches(vectors, counts, labels, **order)

        given = {"epochs": epochs, "validation_data": validation_data, **options}
        return self._fit_head(batches, features, tags, seed, **given)

    def _reset_head(self) -> None:
        super()._reset_head()
        if (mix := self.vectors.mix) is not None:
            mix.mix.assign(keras.ops.zeros(mix.mix.shape))
            mix.scale.assign(1.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "class_names": list(self.class_names),
            "dropout": self.dropout,
            "layers": self.vectors.chosen,
            "combine": self.vectors.combine,
            "max_length": self.max_length,
            "overlap": self.overlap,
        }
