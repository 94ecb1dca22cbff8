"""How probable a masked language model takes the tokens of texts to be."""

from typing import Any

import numpy as np

from kerasformer.tasks.prediction import predict_each
from kerasformer.tasks.pretraining.masked_batches import EachTokenBatches


def score_tokens(
    model: Any, data: EachTokenBatches, verbose: str | int = "auto"
) -> list[np.ndarray]:
    """The log-probability of each token of each text, where it alone is hidden: float32 `[tokens]`.

    Salazar et al., https://arxiv.org/abs/1910.14659, section 2.1.

    Args:
        model: With a masked-LM head, as `MaskedLanguageModel`.
        data: The texts.
        verbose: As of `predict_rows`.
    """
    scores = np.zeros(len(data.targets), "float32")

    def keep(rows, outputs):
        logits = model.mlm_logits(outputs)[:, 0]
        scores[rows] = log_probabilities(logits, data.targets[rows])

    predict_each(model, data, keep, verbose)
    return np.split(scores, np.cumsum(data.counts)[:-1]) if len(data.counts) else []


def log_probabilities(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The log-probability of an id by each row of logits `[n, vocab_size]`, float32 `[n]`.

    Example:

    >>> round(float(log_probabilities(np.zeros((1, 4), "float32"), np.array([2]))[0]), 3)
    -1.386
    """
    highest = logits.max(axis=-1, initial=-np.inf, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=-1)) + highest[:, 0]
    return logits[np.arange(len(ids)), ids] - total
