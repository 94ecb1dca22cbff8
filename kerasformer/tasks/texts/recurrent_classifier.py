"""The classifier from before transformers: an LSTM in both directions, with attention."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from kerasformer.layers import AdditiveAttentionPooling
from kerasformer.models import StaticVectors
from kerasformer.models.config import input_dict
from kerasformer.tasks.texts.word_classifier import WordClassifier
from kerasformer.text import pack
from kerasformer.text.texts import check_text
from kerasformer.training import Recipe


@keras.saving.register_keras_serializable(package="kerasformer")
class RecurrentClassifier(WordClassifier):
    """A text classifier of a bidirectional LSTM with additive attention, trained from scratch.

    The states of an LSTM (Hochreiter & Schmidhuber, 1997) that reads a text in both directions
    are summed, weighted by Bahdanau's attention (https://arxiv.org/abs/1409.0473), and classified,
    as in Yang et al. (https://aclanthology.org/N16-1174) and Zhou et al.
    (https://aclanthology.org/P16-2034). `attention` tells the weights of a text's words.

    `fit` learns the vocabulary from its training texts alone, and trains for 4 epochs in batches of
    32 at a learning rate of 2e-3; see the property `recipe`.

    Args:
        class_names: The names of the classes, in order, or their number.
        vocab_size: Number of words, the most frequent ones.
        max_length: Texts are cut after this many words.
        hidden_size: Width of the words' vectors.
        units: Width of the LSTM's state in each direction.
        attention_units: Width of the attention's hidden layer.
        dropout: Share dropped from the words' vectors and before the dense layer.
        tokenizer: A `kerasformer.text.Tokenizer` to use instead of learning the vocabulary; what it
            puts around a text is left out.
        token_vectors: Static vectors, as wide as `hidden_size`, from which the vectors of those
            words start that have one; see `start_from`.

    Call arguments:
        inputs: Integer ids `[batch, seq]` with 0 as padding behind a text, or the dict of
            `kerasformer.text.pack`.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, classes]`.

    Example:

    >>> classifier = RecurrentClassifier(["bad", "good"], vocab_size=100, hidden_size=8, units=4)
    >>> texts = ["a fine film", "a dull film", "fine acting", "dull acting"]
    >>> history = classifier.fit(texts, ["good", "bad", "good", "bad"], epochs=1, verbose=0)
    >>> [word for word, weight in classifier.attention("A fine plot")]
    ['A', 'fine', 'plot']
    """

    RECIPE = Recipe(epochs=4, learning_rate=2e-3)
    SIZES = ("vocab_size", "hidden_size", "units", "attention_units")
    KERNELS = (
        *(("vocab_size", "hidden_size"), ("hidden_size", "units")),
        *(("units", "units"), ("units", "attention_units")),
    )
    OPTIONS = ("dropout",)

    def __init__(
        self,
        class_names: int | Iterable[str],
        vocab_size: int = 20_000,
        max_length: int = 256,
        hidden_size: int = 64,
        units: int = 32,
        attention_units: int = 32,
        dropout: float = 0.3,
        tokenizer: Any = None,
        token_vectors: StaticVectors | None = None,
        **kwargs: Any,
    ):
        super().__init__(class_names, max_length, tokenizer=tokenizer, **kwargs)
        self.vocab_size, self.hidden_size, self.units = vocab_size, hidden_size, units
        self.attention_units, self.dropout = attention_units, dropout
        policy = {"dtype": self.dtype_policy}
        self.embedding = keras.layers.Embedding(vocab_size, hidden_size, name="embedding", **policy)
        lstm = keras.layers.LSTM(units, return_sequences=True, name="lstm", **policy)
        self.recurrent = keras.layers.Bidirectional(lstm, name="recurrent", **policy)
        self.pooling = AdditiveAttentionPooling(attention_units, name="attention", **policy)
        self.dropout_layer = keras.layers.Dropout(dropout, **policy)
        self.head = keras.layers.Dense(len(self.class_names), dtype="float32", name="head")
        self.autocast = False  # ids given as floats do not fit into float16
        self.build()
        if token_vectors is not None:
            self.start_from(token_vectors)

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables, whatever the input's shape."""
        self.embedding.build((None, None))
        self.recurrent.build((None, None, self.hidden_size))
        self.pooling.build((None, None, 2 * self.units))
        self.head.build((None, 2 * self.units))
        self._restore_quantized()

    def tokenize(self, texts: Iterable[Any]) -> Any:
        """See `StringClassifier.tokenize`; without what the tokenizer puts around a text."""
        return self._bare_tokens(texts)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        return self.head(self.dropout_layer(self._pooled(inputs, training)[0], training=training))

    def _pooled(self, inputs: Any, training: bool | None = None) -> tuple[Any, Any]:
        """The vector of each text, and the weights of its words."""
        inputs = input_dict(inputs, type(self).__name__)
        ids, mask = inputs["input_word_ids"], inputs.get("input_mask")
        mask = ops.not_equal(ids, 0) if mask is None else ops.cast(mask, "bool")
        # cuDNN takes no row of padding alone: such a row is read, and attention leaves it out.
        read = ops.logical_or(mask, ops.logical_not(ops.any(mask, axis=1, keepdims=True)))
        words = self.dropout_layer(self.embedding(ids), training=training)
        states = self.recurrent(words, mask=read, training=training)
        return self.pooling(states, padding_mask=mask, return_attention_scores=True)

    def attention(self, text: str) -> list[tuple[str, float]]:
        """How much each word of a text counts: its weight in the sum that is classified.

        Args:
            text: The text.

        Returns:
            The words, as they are written there, and their weights, which sum to 1.

        Raises:
            UserError: The text is no string, or the model has no vocabulary yet.
        """
        tokenized = self.tokenize([check_text(text, "text")])
        weights = ops.convert_to_numpy(self._pooled(pack(tokenized), training=False)[1])[0]
        places = self.tokenizer.offsets([text])[0]  # type: ignore[union-attr]
        words = [text[start:end] for start, end in places] or [""]
        return list(zip(words, weights.tolist(), strict=False))  # a long text is cut

    @property
    def word_embeddings(self) -> keras.layers.Embedding:
        """The layer with a vector for each token."""
        return self.embedding

    @property
    def stages(self) -> list[list[keras.layers.Layer]]:
        """The layers below the head, from the embeddings up."""
        return [[self.embedding], [self.recurrent, self.pooling]]
