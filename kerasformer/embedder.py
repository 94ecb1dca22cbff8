"""Texts to vectors, by a pretrained encoder and a pooling of its last layer."""

import keras
import numpy as np

from kerasformer.checkpoints.formats import open_path
from kerasformer.checkpoints.resolve import resolve
from kerasformer.checkpoints.sentence_transformers import read_modules
from kerasformer.data.batches import TextBatches
from kerasformer.errors import UserError
from kerasformer.layers import SequencePooling
from kerasformer.models.string_classifier import predict_rows
from kerasformer.text.texts import check_texts


class TextEmbedder:
    """Turns texts into vectors of one length, near to each other where the texts are alike.

    Reimers & Gurevych, "Sentence-BERT", https://arxiv.org/abs/1908.10084: the vectors of a text's
    tokens, pooled. A sentence-transformers folder gives the vectors of sentence-transformers.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`.
        pooling: A mode of `kerasformer.layers.SequencePooling`, or several, whose vectors are
            concatenated.
        max_length: Texts are cut after this many tokens, special tokens included; by default, and
            at most, the encoder's positions.
        normalize: Whether vectors are scaled to length 1, so that their dot product is a cosine.
        prompt: What is put before every text.
        include_prompt: Whether the prompt's tokens are pooled too.
        dense: Built `keras.layers.Dense` layers that the pooled vector goes through, in order.

    Attributes:
        model: The Keras model from the encoder's inputs to the vectors, not normalized.
        size: The width of the vectors.

    Raises:
        ValueError: An unknown pooling.
        UserError: `max_length` leaves no token for a text behind the prompt.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "dull", "film"]
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(words)
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
    >>> TextEmbedder(encoder, tokenizer, normalize=True).encode(["fine film", "dull"]).shape
    (2, 128)
    """

    def __init__(
        self,
        encoder,
        tokenizer,
        pooling="mean",
        *,
        max_length=None,
        normalize=False,
        prompt="",
        include_prompt=True,
        dense=(),
    ):
        positions = encoder.config.max_length
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.pooling = (pooling,) if isinstance(pooling, str) else tuple(pooling)
        self.max_length = min(max_length or positions, positions)
        self.normalize = normalize
        self.prompt = prompt
        self.include_prompt = include_prompt
        self.dense = tuple(dense)
        self.model = self._model()
        self.size = self.model.output_shape[-1]

    @classmethod
    def from_pretrained(cls, source, dtype=None) -> "TextEmbedder":
        """Reads a published model, with the pooling, length and scaling that it is meant for.

        What a sentence-transformers folder says is done; any other model's tokens are averaged.

        Args:
            source: A folder in any of the formats that `kerasformer inspect` knows, a preset's name
                such as `"all-MiniLM-L6-v2"`, or a handle; see `kerasformer.resolve`.
            dtype: Keras dtype policy of the encoder, such as `"mixed_bfloat16"`.

        Returns:
            The `TextEmbedder`.

        Raises:
            UserError: There is no such source, its files are not a BERT encoder's, or it has a
                module that cannot be read.
        """
        path = resolve(source)
        modules = read_modules(path)
        checkpoint = open_path(path)
        return cls(
            checkpoint.encoder(dtype=dtype),
            checkpoint.read_tokenizer(),
            modules.pooling,
            max_length=modules.max_length,
            normalize=modules.normalize,
            prompt=modules.prompt,
            include_prompt=modules.include_prompt,
            dense=[_dense_layer(module) for module in modules.dense],
        )

    def encode(self, texts, *, batch_size=32, normalize=None, verbose="auto") -> np.ndarray:
        """The vectors of texts.

        Args:
            texts: The texts: a list, a tuple, an array or another iterable of str.
            batch_size: Texts in a batch; a batch holds texts of similar length.
            normalize: Whether to scale the vectors to length 1; by default as the embedder does.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.

        Returns:
            float32 `[n, size]`, in the order of the texts.

        Raises:
            UserError: Something is not a str.
        """
        texts = check_texts(texts)
        if self.prompt:
            texts = [self.prompt + text for text in texts]
        encoded = self.tokenizer.encode(texts, max_length=self.max_length)
        data = TextBatches(encoded, batch_size=batch_size)
        vectors = predict_rows(self.model, data, self.size, verbose)
        if self.normalize if normalize is None else normalize:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.maximum(lengths, 1e-12)
        return vectors

    def _model(self):
        inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("input_word_ids", "input_mask", "input_type_ids")
        }
        tokens = self.encoder(inputs, outputs=["sequence_output"])["sequence_output"]
        first = self._first_pooled()
        tokens, mask = tokens[:, first:], inputs["input_mask"][:, first:]
        # In float32 whatever the encoder's policy: a sum over tokens, and what it costs is little.
        pooled = [
            SequencePooling(mode, dtype="float32")(tokens, padding_mask=mask)
            for mode in self.pooling
        ]
        vector = pooled[0] if len(pooled) == 1 else keras.ops.concatenate(pooled, axis=-1)
        for layer in self.dense:
            vector = layer(vector)
        return keras.Model(inputs, vector)

    def _first_pooled(self):
        """The position of the first token that is pooled."""
        if self.include_prompt or not self.prompt:
            return 0
        first = int(self.tokenizer.encode([self.prompt]).lengths[0]) - 1  # without its [SEP]
        if first >= self.max_length:
            raise UserError(
                f"max_length is {self.max_length}, and the prompt has {first} tokens already: give "
                "a larger one, or a shorter prompt."
            )
        return first


def _dense_layer(module):
    """A built Keras layer with the weights of a `DenseModule`."""
    layer = keras.layers.Dense(
        module.outputs, module.activation, use_bias=module.bias, dtype="float32"
    )
    layer.build((None, module.inputs))
    layer.set_weights(module.read_weights())
    return layer
