"""Batches of texts whose every token is to be guessed from those before it, and its answers."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasformer.data.batches import TextBatches
from kerasformer.layers import SequencePooling
from kerasformer.tasks.pretraining.wrappers import TaskWrapper
from kerasformer.text import Tokenized, pack

LABELS = "next_word_ids"


class NextTokenBatches(TextBatches):
    """Batches of texts with the token behind each token, which is to be guessed.

    Args:
        rows: The token ids of each text, with the one before its first, and those behind its last
            that are to be guessed too.
        pad_id: The padding id.
        *args, **kwargs: As of `TextBatches`, from `sample_weight` on.

    Example:

    >>> x, y, weights = NextTokenBatches([[2, 7, 8, 3], [2, 9, 3]], pad_id=0)[0]
    >>> x["input_word_ids"].tolist(), y.tolist(), weights.tolist()
    ([[2, 7, 8], [2, 9, 0]], [[7, 8, 3], [9, 3, 0]], [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    """

    width_varies = True

    def __init__(self, rows: list[list[int]], pad_id: int, *args: Any, **kwargs: Any):
        self._next = Tokenized((row[1:] for row in rows), pad_id=pad_id)
        super().__init__(
            Tokenized((row[:-1] for row in rows), pad_id=pad_id), None, *args, **kwargs
        )

    def columns(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """The inputs, the tokens behind them, and the weight of each."""
        inputs = super().inputs(rows)
        weights = inputs["input_mask"].astype("float32")
        if self.sample_weight is not None:
            weights *= self.sample_weight[rows][:, None]
        return inputs, self._labels(rows), weights

    def _labels(self, rows):
        return pack(self._next, rows, pad_to=self.width(rows))["input_word_ids"]


class ScoredBatches(NextTokenBatches):
    """The same with the tokens to be guessed as the input `next_word_ids`."""

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The dict that `kerasformer.text.pack` makes, and the tokens behind."""
        return super().inputs(rows) | {LABELS: self._labels(rows)}


class NextTokens(TaskWrapper):
    """What a causal language model makes of the tokens that are next, without all its logits.

    Args:
        task: The model.

    Call arguments:
        inputs: The dict of the model's inputs; `next_word_ids` may be with them.

    Returns:
        The log-probability of each of `next_word_ids`, float32 `[batch, seq]`; or without these
        the logits of the token behind the last real one, float32 `[batch, vocab_size]`.
    """

    def __init__(self, task: keras.Model):
        super().__init__(task)
        self.last = SequencePooling("lasttoken")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs = dict(inputs)
        labels = inputs.pop(LABELS, None)
        if labels is not None:
            logits = self.task(inputs, training=False)
            chosen = ops.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
            return chosen - ops.logsumexp(logits, axis=-1)
        vectors = self.encoder(inputs, outputs=["sequence_output"], training=False)
        last = self.last(vectors["sequence_output"], padding_mask=inputs["input_mask"])
        return self.task.logits(last[:, None])[:, 0]
