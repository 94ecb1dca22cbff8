"""Vectors of a frozen encoder, computed once, and training the head on them."""

from typing import Any

import keras
import numpy as np

from kerasformer.data.batches import FeatureBatches, TextBatches
from kerasformer.tasks.encoder_classifier import EncoderClassifier
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.feature_cache import FeatureCache
from kerasformer.tasks.frozen_vectors import FrozenVectors
from kerasformer.tasks.prediction import inference_sizes, predict_rows
from kerasformer.tasks.texts.reading import as_array, columns, read_texts
from kerasformer.tasks.texts.string_classifier import StringClassifier
from kerasformer.tasks.texts.vectors import VECTORS


class FrozenFeatures(StringClassifier, EncoderClassifier, FrozenVectors):
    """A classifier of texts whose head takes one vector of an encoder for each text.

    A child gives the vectors by `_vectors`, of `feature_size` numbers.
    """

    feature_size: int

    def _feature_batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> FeatureBatches:
        labels = self._labels(examples, loss, class_weight)
        vectors = self.features(examples.texts, verbose=0, cache=self.feature_cache)
        return FeatureBatches(vectors, *labels, batch_size, **order)

    def features(
        self, texts: Any, verbose: str | int = "auto", cache: FeatureCache | None = None
    ) -> np.ndarray:
        """The encoder's pooled vectors of texts, which the head classifies.

        Args:
            texts: A sequence of strings, or of pairs of strings.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.
            cache: Gives the vectors where the same encoder has computed them for the same texts.

        Returns:
            float32 `[n, feature_size]`.

        Raises:
            UserError: A text is not a string, or the cache cannot be written to.
        """
        config, (first, second) = self.get_config(), columns(read_texts(texts))
        settings = {name: config[name] for name in (*VECTORS, "max_length")}
        if second is not None:
            settings["pairs"] = len(second)
        told = [*first, *(second or [])]
        return self._kept(cache, lambda: self._features(texts, verbose), told, **settings)

    def _features(self, texts: Any, verbose: str | int = "auto") -> np.ndarray:
        data = TextBatches(self.tokenize(texts), **inference_sizes(self.max_length))
        return predict_rows(self._vectors_model, data, self.feature_size, verbose)

    def fit_head(
        self,
        features: np.ndarray,
        labels: Any,
        seed: int = 0,
        *,
        epochs: int | None = None,
        validation_data: tuple[np.ndarray, Any] | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains the head alone, anew, on vectors that `features` gave, by `FROZEN_RECIPE`.

        Args:
            features: float `[n, feature_size]`.
            labels: As `fit` takes them.
            seed: Of the head's first weights and of the order of the batches.
            epochs: Passes over the vectors.
            validation_data: Vectors and labels to evaluate on after each epoch.
            **options: `verbose`, `callbacks`, `initial_epoch` and `validation_freq` of `fit`.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            UserError: A label is not a class.
        """

        def batches(vectors, labels, **order):
            return FeatureBatches(vectors, self._problem.labels(as_array(labels)), **order)

        given = {"epochs": epochs, "validation_data": validation_data, **options}
        return self._fit_head(batches, features, labels, seed, **given)
