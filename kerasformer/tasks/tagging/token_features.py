"""The vectors of words that a frozen encoder gives, for a head to be trained on."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasformer import __version__
from kerasformer.errors import UserError
from kerasformer.models.fingerprint import fingerprint
from kerasformer.models.structure import Structure
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.feature_cache import new_features
from kerasformer.tasks.heads import reset_head
from kerasformer.tasks.prediction import predict_each, vectors_model
from kerasformer.tasks.tagging.tagged import flat_labels
from kerasformer.tasks.tagging.token_batches import TokenBatches, WordFeatureBatches, WordWindows

if TYPE_CHECKING:
    from kerasformer.tasks.tagging.token_classifier import TokenClassifier

_BATCH = 32


def word_features(
    model: "TokenClassifier", words: WordWindows, verbose: str | int = "auto"
) -> np.ndarray:
    """The vectors of all words of sentences, each from its first token, float32 `[words, ...]`."""
    vectors = vectors_model(lambda inputs: model._vectors(inputs, training=False))
    data = TokenBatches(words, batch_size=_BATCH, max_length=model.max_length)
    features = new_features((len(words.columns), *model.vectors.feature_shape))
    predict_each(vectors, data, data.keeper(features), verbose)
    return features


def feature_logits(
    model: "TokenClassifier", features: np.ndarray, counts: Sequence[int]
) -> np.ndarray:
    """The logits of words that have vectors already, float32 `[words, classes]`.

    Args:
        model: The model.
        features: float `[words, ...]`, what `features` of the model gives.
        counts: How many of these words each sentence has.
    """
    data = WordFeatureBatches(features, counts, batch_size=_BATCH)
    logits = np.zeros((len(features), len(model.class_names)), "float32")
    predict_each(model, data, data.keeper(logits), verbose=0)
    return logits


def features_key(model: "TokenClassifier", sentences: list) -> str:
    """What the vectors of sentences follow from, as a key of a `FeatureCache`."""
    config = model.get_config()
    settings = {
        "kerasformer": __version__,
        "config": dataclasses.asdict(model.encoder.config),
        "layers of the encoder": Structure(model.encoder).settings,
        "vectors of words": [model.vectors.indices, model.vectors.pooling.combine],
        "counts": list(map(len, sentences)),
        **{name: config[name] for name in ("tokenizer", "max_length", "overlap")},
    }
    words = (word for sentence in sentences for word in sentence)
    return fingerprint(settings, model.encoder.weights, words)


def fit_on_features(
    model: "TokenClassifier",
    features: np.ndarray,
    tags: Any,
    seed: int,
    epochs: int | None,
    validation_data: tuple[np.ndarray, Any] | None,
    **options: Any,
) -> keras.callbacks.History:
    """Trains the head alone, anew; see `TokenClassifier.fit_head`."""
    model.check_process()
    recipe = model.FROZEN_RECIPE.change(epochs=epochs)
    keras.utils.set_random_seed(seed)
    reset_head(model.token_classifier)
    if (mix := model.vectors.mix) is not None:
        mix.mix.assign(keras.ops.zeros(mix.mix.shape))
        mix.scale.assign(1.0)

    def batches(features: np.ndarray, tags: Any, **order: Any) -> WordFeatureBatches:
        counts = list(map(len, tags))
        if sum(counts) != len(features):
            raise UserError(
                f"Got vectors of {len(features):,} words and tags for {sum(counts):,}: give one "
                "for each."
            )
        labels, _ = flat_labels(Examples([], tags), model.class_names)
        return WordFeatureBatches(features, counts, labels, None, recipe.batch_size, **order)

    validation = None if validation_data is None else batches(*validation_data)
    data = batches(features, tags, seed=seed)
    return model._train(data, validation, recipe, seed=seed, restart=True, **options)
