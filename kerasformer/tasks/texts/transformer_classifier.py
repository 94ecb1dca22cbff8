"""The small transformer classifier that is trained from scratch."""

from collections.abc import Iterable
from typing import Any

import keras

from kerasformer.layers import SequencePooling, TokenAndPositionEmbedding, TransformerBlock
from kerasformer.models import StaticVectors
from kerasformer.models.config import input_dict
from kerasformer.tasks.texts.word_classifier import WordClassifier
from kerasformer.training import Recipe


@keras.saving.register_keras_serializable(package="kerasformer")
class TransformerClassifier(WordClassifier):
    """A text classifier of transformer blocks, trained from scratch on strings.

    The model of keras.io's "Text classification with Transformer": token and position embeddings,
    a transformer block, the mean over the real tokens, a dense layer. `fit` learns the vocabulary
    from its training texts alone, and trains for 4 epochs in batches of 32 at a learning rate of
    1e-3; see the property `recipe`.

    Args:
        class_names: The names of the classes, in order, or their number.
        vocab_size: Number of words, the most frequent ones.
        max_length: Texts are cut after this many words.
        hidden_size: Width of the embeddings and of each block.
        num_layers: Number of transformer blocks.
        num_heads: Attention heads of each block.
        intermediate_size: Width of each block's feed-forward layer.
        dropout: Share dropped from the embeddings, in the blocks and before the dense layer.
        activation: Feed-forward activation.
        tokenizer: A `kerasformer.text.Tokenizer` to use instead of learning the vocabulary.
        token_vectors: Static vectors, as wide as `hidden_size`, from which the embeddings of those
            tokens start that have one; see `start_from`.

    Call arguments:
        inputs: Integer ids `[batch, seq]` with 0 as padding, or the dict of
            `kerasformer.text.pack`.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, classes]`.

    Example:

    >>> classifier = TransformerClassifier(["bad", "good"], vocab_size=100)
    >>> texts = ["a fine film", "a dull film", "fine acting", "dull acting"]
    >>> history = classifier.fit(texts, ["good", "bad", "good", "bad"], epochs=1, verbose=0)
    >>> classifier.predict(["fine", "dull acting"]).shape
    (2, 2)
    """

    RECIPE = Recipe(epochs=4, learning_rate=1e-3)
    SIZES = ("vocab_size", "max_length", "hidden_size", "num_layers", "intermediate_size")
    KERNELS = (
        *(("vocab_size", "hidden_size"), ("max_length", "hidden_size")),
        *(("num_layers", "hidden_size", size) for size in ("hidden_size", "intermediate_size")),
    )
    OPTIONS = ("num_heads", "dropout", "activation")

    def __init__(
        self,
        class_names: int | Iterable[str],
        vocab_size: int = 20_000,
        max_length: int = 256,
        hidden_size: int = 32,
        num_layers: int = 1,
        num_heads: int = 2,
        intermediate_size: int = 32,
        dropout: float = 0.3,
        activation: str = "relu",
        tokenizer: Any = None,
        token_vectors: StaticVectors | None = None,
        **kwargs: Any,
    ):
        super().__init__(class_names, max_length, tokenizer=tokenizer, **kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_size = intermediate_size
        self.dropout = dropout
        self.activation = activation
        self.embedding = TokenAndPositionEmbedding(
            vocab_size,
            max_length,
            hidden_size,
            dropout=dropout,
            dtype=self.dtype_policy,
            name="embedding",
        )
        self.blocks = [
            TransformerBlock(
                hidden_size,
                num_heads,
                intermediate_size,
                dropout=dropout,
                activation=activation,
                layer_norm_epsilon=1e-6,
                dtype=self.dtype_policy,
                name=f"layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.pooling = SequencePooling("mean", dtype=self.dtype_policy)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.head = keras.layers.Dense(len(self.class_names), dtype="float32", name="head")
        self.build()
        if token_vectors is not None:
            self.start_from(token_vectors)

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables, whatever the input's shape."""
        self.embedding.build((None, None))
        for block in self.blocks:
            block.build((None, None, self.hidden_size))
        self.head.build((None, self.hidden_size))
        self._restore_quantized()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs = input_dict(inputs, "TransformerClassifier")
        ids, mask = inputs["input_word_ids"], inputs.get("input_mask")
        mask = self.embedding.compute_mask(ids) if mask is None else mask
        x = self.embedding(ids, training=training)
        for block in self.blocks:
            x = block(x, padding_mask=mask, training=training)
        x = self.pooling(x, padding_mask=mask)
        return self.head(self.dropout_layer(x, training=training))

    @property
    def word_embeddings(self) -> keras.layers.Embedding:
        """The layer with a vector for each token."""
        return self.embedding.word_embeddings

    @property
    def stages(self) -> list[list[keras.layers.Layer]]:
        """The layers below the head, from the embeddings up."""
        return [[self.embedding], *([block] for block in self.blocks)]
