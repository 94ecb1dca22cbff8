"""The vectors of words that a frozen encoder gives, for a head to be trained on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasformer.tasks.feature_cache import new_features
from kerasformer.tasks.prediction import inference_sizes, predict_each
from kerasformer.tasks.tagging.token_batches import TokenBatches, WordFeatureBatches, WordWindows

if TYPE_CHECKING:
    from kerasformer.tasks.tagging.token_classifier import TokenClassifier

_BATCH = 32


def word_features(
    model: "TokenClassifier", words: WordWindows, verbose: str | int = "auto"
) -> np.ndarray:
    """The vectors of all words of sentences, each from its first token, float32 `[words, ...]`."""
    data = TokenBatches(words, **inference_sizes(model.max_length))
    features = new_features((len(words.columns), *model.vectors.feature_shape))
    predict_each(model._vectors_model, data, data.keeper(features), verbose)
    return features


def feature_logits(
    model: "TokenClassifier", features: np.ndarray, counts: Sequence[int]
) -> list[np.ndarray]:
    """The logits of words that have vectors already, float32 `[words, classes]` of each sentence.

    Args:
        model: The model.
        features: float `[words, ...]`, what `features` of the model gives.
        counts: How many of these words each sentence has.
    """
    return model._outputs(WordFeatureBatches(features, counts, batch_size=_BATCH), 0, None)
