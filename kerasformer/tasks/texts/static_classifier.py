"""The classifier of bags of words: the mean of their vectors, and a logistic regression."""

from collections.abc import Iterable
from typing import Any, Self

import keras

from kerasformer.checkpoints import open_checkpoint
from kerasformer.errors import UserError
from kerasformer.layers import SequencePooling
from kerasformer.models import BertEncoder, StaticVectors, distil_static
from kerasformer.models.config import input_dict
from kerasformer.models.distilled_vectors import SIF
from kerasformer.tasks.texts.string_classifier import NO_VOCABULARY
from kerasformer.tasks.texts.word_classifier import WordClassifier
from kerasformer.training import Recipe


@keras.saving.register_keras_serializable(package="kerasformer")
class StaticClassifier(WordClassifier):
    """A text classifier on the mean of the vectors of a text's words, whatever their order.

    The deep averaging network of Iyyer et al. (https://aclanthology.org/P15-1162) without hidden
    layers, which is fastText's classifier (Joulin et al., https://arxiv.org/abs/1607.01759): a
    vector for each word, their mean, one dense layer. The vectors are static ones, such as GloVe's
    or those that `kerasformer.models.distil_static` makes of an encoder, and are trained further
    or stay; or they are learnt from the training texts alone.

    `fit` trains for 5 epochs in batches of 32 at a learning rate of 1e-3, or where the vectors
    stay for 20 epochs in batches of 128 at 1e-2; see the property `recipe`.

    Args:
        class_names: The names of the classes, in order, or their number.
        token_vectors: The static vectors. Their words are then the vocabulary, unless a tokenizer
            is given; a token without a vector starts from zeros.
        vocab_size: Number of tokens, the most frequent ones, which are the first of the vectors;
            by default all of these, or 20,000.
        max_length: Texts are cut after this many tokens.
        hidden_size: Width of the vectors; by default that of the static vectors, or 64.
        trainable_vectors: Whether the vectors are trained.
        dropout: Share of the mean dropped in training.
        tokenizer: A `kerasformer.text.Tokenizer` to use instead of learning the vocabulary; what it
            puts around a text is left out.

    Call arguments:
        inputs: Integer ids `[batch, seq]` with 0 as padding, or the dict of
            `kerasformer.text.pack`.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, classes]`.

    Example:

    >>> vectors = StaticVectors(["fine", "dull", "film"], [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    >>> classifier = StaticClassifier(["bad", "good"], vectors, trainable_vectors=False)
    >>> history = classifier.fit(["fine film", "dull film"], ["good", "bad"], epochs=99, verbose=0)
    >>> classifier.classify(["a dull one", "fine, fine!"])
    ['bad', 'good']
    """

    RECIPE = Recipe(epochs=5, learning_rate=1e-3)
    # A convex problem, which takes large steps.
    FROZEN_RECIPE = Recipe(epochs=20, batch_size=128, learning_rate=1e-2)
    SIZES = ("vocab_size", "hidden_size")
    KERNELS = (SIZES,)
    OPTIONS = ("trainable_vectors", "dropout")

    def __init__(
        self,
        class_names: int | Iterable[str],
        token_vectors: StaticVectors | None = None,
        vocab_size: int | None = None,
        max_length: int = 512,
        hidden_size: int | None = None,
        trainable_vectors: bool = True,
        dropout: float = 0.0,
        tokenizer: Any = None,
        **kwargs: Any,
    ):
        if token_vectors is not None and tokenizer is None:
            if vocab_size and token_vectors.tokenizer.vocab_size > vocab_size:
                token_vectors = token_vectors.first(vocab_size - 2)  # beside [PAD] and [UNK]
            tokenizer = token_vectors.tokenizer
        super().__init__(class_names, max_length, tokenizer=tokenizer, **kwargs)
        if token_vectors is not None:
            vocab_size = vocab_size or self.tokenizer.vocab_size  # type: ignore[union-attr]
            hidden_size = hidden_size or token_vectors.width
        self.vocab_size, self.hidden_size = vocab_size or 20_000, hidden_size or 64
        self.trainable_vectors, self.dropout = trainable_vectors, dropout
        self.embedding = keras.layers.Embedding(
            self.vocab_size, self.hidden_size, dtype=self.dtype_policy, name="embedding"
        )
        self.embedding.trainable = trainable_vectors
        self.pooling = SequencePooling("mean", dtype=self.dtype_policy)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.head = keras.layers.Dense(len(self.class_names), dtype="float32", name="head")
        self.autocast = False  # ids given as floats do not fit into float16
        self.build()
        if token_vectors is not None:
            self.start_from(token_vectors, seed=None)

    @classmethod
    def distilled_from(
        cls,
        source: Any,
        class_names: int | Iterable[str],
        texts: Iterable[str] | None = None,
        *,
        width: int | None = None,
        sif: float | None = SIF,
        only: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A classifier of the vectors that `kerasformer.models.distil_static` makes of an encoder.

        Args:
            source: A folder or file, a preset's name or a handle; see `kerasformer.resolve`.
            class_names: The names of the classes, in order, or their number.
            texts, width, sif, only: As of `distil_static`; the texts best are those to train on.
            **kwargs: Further arguments of the class.

        Returns:
            The classifier, to be trained.

        Raises:
            UserError: There is no such source, or it holds no encoder with its tokenizer.
        """
        checkpoint = open_checkpoint(source)
        encoder, tokenizer = checkpoint.load_encoder(BertEncoder), checkpoint.read_tokenizer()
        vectors = distil_static(encoder, tokenizer, texts, width=width, sif=sif, only=only)
        return cls(class_names, vectors, **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables, whatever the input's shape."""
        self.embedding.build((None, None))
        self.head.build((None, self.hidden_size))
        self._restore_quantized()

    def tokenize(self, texts: Iterable[Any]) -> Any:
        """See `StringClassifier.tokenize`; without what the tokenizer puts around a text."""
        return self._bare_tokens(texts)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs = input_dict(inputs, type(self).__name__)
        ids, mask = inputs["input_word_ids"], inputs.get("input_mask")
        mask = keras.ops.not_equal(ids, 0) if mask is None else mask
        means = self.pooling(self.embedding(ids), padding_mask=mask)
        return self.head(self.dropout_layer(means, training=training))

    @property
    def recipe(self) -> Recipe:
        """The hyperparameters that `fit` uses where its arguments do not say otherwise."""
        return self.RECIPE if self.embedding.trainable else self.FROZEN_RECIPE

    @property
    def vectors(self) -> StaticVectors:
        """The vectors of the tokens, as they are now.

        Raises:
            UserError: The model has no vocabulary yet.
        """
        if self.tokenizer is None:
            raise UserError(NO_VOCABULARY)
        tokens, pad = self.tokenizer.vocabulary(), self.tokenizer.pad_id
        rows = keras.ops.convert_to_numpy(keras.ops.cast(self.embedding.embeddings, "float32"))
        places = [place for place in range(len(tokens)) if place != pad]
        return StaticVectors([tokens[i] for i in places], rows[places], self.tokenizer)

    @property
    def word_embeddings(self) -> keras.layers.Embedding:
        """The layer with a vector for each token."""
        return self.embedding

    @property
    def stages(self) -> list[list[keras.layers.Layer]]:
        """The layers below the head."""
        return [[self.embedding]]
