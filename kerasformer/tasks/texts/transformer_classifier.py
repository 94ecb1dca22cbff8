"""The small transformer classifier that is trained from scratch."""

import hashlib
import json
import pathlib
from collections.abc import Iterable
from typing import Any, Self

import keras

from kerasformer.checkpoints.io.hdf5 import H5Tensors, open_h5
from kerasformer.errors import UserError
from kerasformer.files import read_json, sha256_of, write_whole
from kerasformer.layers import SequencePooling, TokenAndPositionEmbedding, TransformerBlock
from kerasformer.models.config import input_dict
from kerasformer.models.finite import refuse_to_save
from kerasformer.private_api import weights_as_h5
from kerasformer.sources import resolve
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.texts.reading import columns
from kerasformer.tasks.texts.string_classifier import StringClassifier
from kerasformer.text import Tokenizer, WordTokenizer
from kerasformer.training import Recipe
from kerasformer.transaction import saving

_CONFIG, _WEIGHTS = "classifier.json", "classifier.weights.h5"
_DIGEST = "weights_sha256"  # in the configuration
# By which a folder holds a model of another kind.
_OTHER_MODELS = ("config.json", "model.safetensors", "model.safetensors.index.json", "modules.json")


@keras.saving.register_keras_serializable(package="kerasformer")
class TransformerClassifier(StringClassifier):
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

    def _new_tokenizer(self, texts: list[str]) -> Tokenizer:
        return WordTokenizer.train(texts, vocab_size=self.vocab_size)

    def _read(self, *args: Any, **kwargs: Any) -> Examples:
        examples = super()._read(*args, **kwargs)
        can_be_pairs = self.tokenizer is not None and self.tokenizer.takes_pairs
        if not can_be_pairs and columns(examples.texts)[1] is not None:
            raise UserError(
                f"A {type(self).__name__} reads single texts, as nothing separates two among its "
                "words: for pairs take TextClassifier.from_scratch."
            )
        return examples

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
    def stages(self) -> list[list[keras.layers.Layer]]:
        """The layers below the head, from the embeddings up."""
        return [[self.embedding], *([block] for block in self.blocks)]

    def save_pretrained(self, folder: Any) -> None:
        """Writes the classifier as one folder: configuration, tokenizer, class names, weights.

        Args:
            folder: Output folder, created if missing.

        Raises:
            UserError: The folder cannot be written to, or a weight is not finite.
        """
        refuse_to_save(self)
        weights = weights_as_h5(self)
        config = self.get_config() | {_DIGEST: hashlib.sha256(weights).hexdigest()}
        with saving(folder, _CONFIG, _OTHER_MODELS) as new:
            write_whole(new / _WEIGHTS, weights)
            write_whole(new / _CONFIG, json.dumps(config, indent=1))

    @staticmethod
    def is_here(folder: pathlib.Path) -> bool:
        """Whether a folder is one that `save_pretrained` wrote."""
        return (folder / _CONFIG).is_file()

    @classmethod
    def from_pretrained(cls, source: Any, **kwargs: Any) -> Self:
        """Reads what `save_pretrained` wrote.

        Args:
            source: The folder, or a handle of it; see `kerasformer.resolve`.
            **kwargs: Keras arguments of the model, such as `dtype` or `name`.

        Returns:
            The classifier.

        Raises:
            UserError: The folder holds no such classifier, or a damaged one.
        """
        folder = resolve(source)
        if not cls.is_here(folder):
            raise UserError(
                f"{folder} has no {_CONFIG}; give a folder that {cls.__name__}.save_pretrained "
                "wrote."
            )
        config = read_json(folder / _CONFIG)
        tensors = _check_weights(folder / _WEIGHTS, config)
        config.pop(_DIGEST, None)
        try:
            model = cls.from_config({**config, **kwargs})
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{folder / _CONFIG} makes no {cls.__name__} ({str(error).splitlines()[0]}); write "
                "it anew."
            ) from None
        try:
            model.load_weights(folder / _WEIGHTS)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UserError(
                f"{folder / _WEIGHTS} cannot be read ({str(error).splitlines()[0]}); save the "
                "classifier anew."
            ) from None
        tensors[next(iter(tensors))]  # refused where the file was replaced since it was checked
        return model

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ["vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size"]
        names += ["dropout", "activation"]
        return super().get_config() | {name: getattr(self, name) for name in names}


def _check_weights(path: pathlib.Path, config: dict) -> H5Tensors:
    """Refuses weights that are damaged, or too few for the sizes of the configuration.

    Before Keras makes as many layers as it says, and HDF5's library waits at what is damaged.
    """
    if path.is_file() and config.get(_DIGEST) not in (None, sha256_of(path)):
        raise UserError(
            f"{path} cannot be read (it is damaged, or of another save than the configuration); "
            "save the classifier anew."
        )
    tensors = open_h5(path)
    if config.get(_DIGEST) not in (None, sha256_of(path)):  # replaced since
        raise UserError(f"{path} has changed while it was read: load the model again.")
    largest = max([len(tensors), *(size for name in tensors for size in tensors.shape(name))])
    for name in ("vocab_size", "max_length", "hidden_size", "num_layers", "intermediate_size"):
        if isinstance(size := config.get(name), int | float) and size > largest:
            raise UserError(
                f"{path} cannot be read (it has no tensors for the {name} of {size:,} in {_CONFIG})"
                "; save the classifier anew."
            )
    return tensors
