"""BERT that tells whether one sentence follows another."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasformer.data.batches import FeatureBatches
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.models.length import choose_max_length
from kerasformer.tasks.examples import Examples, gather_tuples
from kerasformer.tasks.heads import new_head
from kerasformer.tasks.pretraining.text_task import PooledTask
from kerasformer.tasks.texts.segments import segmented
from kerasformer.tasks.texts.string_classifier import StringClassifier
from kerasformer.text import Tokenized
from kerasformer.text.texts import check_text, check_texts

_CLASSES = ("follows", "random")


@keras.saving.register_keras_serializable(package="kerasformer")
class NextSentencePredictor(StringClassifier, PooledTask):
    """BERT that tells whether one sentence follows another.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3.1, task 2. It is transformers'
    `BertForNextSentencePrediction`.

    `fit` takes pairs of strings, and whether the second of each follows the first: True or False,
    or the class, `"follows"` or `"random"`, or its index, which as in BERT is 0 of pairs that
    follow, and 1 of others. (So 1 is not True here.)

    Args:
        encoder: A `BertEncoder` with a pooler.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`, or its `to_json()`. Without
            one `fit` learns a vocabulary from its training texts.
        max_length: The most tokens of a pair; of longer ones whichever sentence is longer loses its
            end. By default as many as tokenizer and encoder take.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict of int `[batch, seq]` tensors, of pairs of sentences; or
            `{"features": vectors}`, of a frozen encoder's pooler, `[batch, hidden_size]`.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, 2]`: that the second sentence follows the first, and that it is
        one from elsewhere.

    Raises:
        ValueError: `encoder` is of another kind, or has no pooler.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = NextSentencePredictor(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> pairs = [("It rains.", "The street is wet."), ("It rains.", "Rome is old.")]
    >>> history = model.fit(pairs, [True, False], epochs=1, verbose=0)
    >>> 0 < model.follows("It rains.", "The street is old.") < 1
    True
    """

    HEADS = ("next_sentence",)

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Any = None,
        max_length: int | None = None,
        **kwargs: Any,
    ):
        kwargs |= {"encoder": encoder, "tokenizer": tokenizer}
        super().__init__(_CLASSES, 0, **kwargs)
        positions = encoder.config.max_length
        self.max_length = choose_max_length(max_length, self.tokenizer, positions)
        self.next_sentence = new_head(encoder, len(_CLASSES), "next_sentence")
        self.build()

    @property
    def head(self) -> keras.layers.Dense:
        """The layer that gives the logits."""
        return self.next_sentence

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        has_features = isinstance(inputs, dict) and "features" in inputs
        x = inputs["features"] if has_features else self._vectors(inputs, training)
        return self.next_sentence(x)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        has_features = isinstance(inputs, dict) and "features" in inputs
        batch = inputs["features"].shape[0] if has_features else self._lead(inputs)[0]
        return keras.KerasTensor((batch, 2), "float32")

    def _gathered(self, x: Any) -> Any:
        return gather_tuples(x, "(first, second) pairs of sentences", "labels")

    def _read(self, *args: Any, **kwargs: Any) -> Examples:
        examples = super()._read(*args, **kwargs)
        if examples.texts and isinstance(examples.texts[0], str):
            raise UserError(
                "Expected pairs of sentences, got single ones: give a list of (first, second)."
            )
        return examples

    def _labels(
        self, examples: Examples, loss: Any, class_weight: Any
    ) -> tuple[np.ndarray, np.ndarray | None]:
        labels = examples.labels
        if labels is not None and labels.dtype == bool and labels.ndim == 1:
            examples = examples._replace(labels=np.where(labels, 0, 1))
        return super()._labels(examples, loss, class_weight)

    def _feature_batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> FeatureBatches:
        columns = self._labels(examples, loss, class_weight)
        vectors = self._pooled(self.tokenize(examples.texts))
        return FeatureBatches(vectors, *columns, batch_size, **order)

    def tokenize(self, texts: Iterable[Any]) -> Tokenized:
        """Turns pairs of sentences into the token ids that the model takes.

        Args:
            texts: A sequence of pairs of strings.

        Raises:
            UserError: A sentence is no string, or the model has no tokenizer yet.
        """
        return segmented(super().tokenize(texts), self.encoder)

    def follows(self, first: Any, second: Any, **kwargs: Any) -> Any:
        """The probability that a sentence follows another.

        Args:
            first: The first sentence, or several.
            second: The one that may follow it; of several as many.
            **kwargs: Further arguments of `predict`.

        Returns:
            A float; of several float32 `[n]`.

        Raises:
            UserError: A sentence is no string, or there are more of the one than of the other; or
                the model has no vocabulary yet.
        """
        if isinstance(first, str):
            pair = first, check_text(second, "second")
            return float(self.predict_proba([pair], **kwargs)[0, 0])
        first, second = check_texts(first, "first"), check_texts(second, "second")
        if len(first) != len(second):
            raise UserError(
                f"Got {len(first):,} first sentences and {len(second):,} second ones: give as many."
            )
        return self.predict_proba(list(zip(first, second, strict=True)), **kwargs)[:, 0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        return {n: config[n] for n in config if n not in ("class_names", "problem_type")}
