"""Vectors of a frozen encoder, computed once, and training the head on them."""

import dataclasses
from typing import Any

import keras
import numpy as np

from kerasformer import __version__
from kerasformer.data.batches import Batches, FeatureBatches, TextBatches
from kerasformer.models.fingerprint import fingerprint
from kerasformer.models.structure import Structure
from kerasformer.tasks.encoder_classifier import EncoderClassifier
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.feature_cache import FeatureCache
from kerasformer.tasks.heads import reset_head
from kerasformer.tasks.prediction import predict_rows, vectors_model
from kerasformer.tasks.texts.reading import as_array, columns, read_texts
from kerasformer.tasks.texts.string_classifier import StringClassifier
from kerasformer.tasks.texts.vectors import VECTORS


class FrozenFeatures(StringClassifier, EncoderClassifier):
    """A classifier of texts whose head takes one vector of an encoder for each text.

    A child gives the vectors by `_pool`, of `feature_size` numbers, and has a `head` that takes
    them; it takes them also as its input `features`.

    Attributes:
        feature_cache: Where `fit` keeps the vectors, and finds those of a model with the same
            encoder; by default nowhere.
    """

    feature_cache: FeatureCache | None = None
    feature_size: int
    head: keras.layers.Dense
    _extractor: "_Extractor | None" = None

    def _pool(self, inputs: Any, training: bool | None = None) -> Any:
        """The vectors of texts, float `[batch, feature_size]`."""
        raise NotImplementedError

    def _training_batches(self, examples: Examples, batch_size: int, **options: Any) -> Batches:
        # The frozen encoder's vectors stay the same in all epochs: they are computed once.
        if not self.encoder_is_frozen:
            return super()._training_batches(examples, batch_size, **options)
        labels = self._labels(examples, options.pop("loss"), options.pop("class_weight", None))
        vectors = self.features(examples.texts, verbose=0, cache=self.feature_cache)
        return FeatureBatches(vectors, *labels, batch_size, **options)

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
        if cache is None:
            return self._features(texts, verbose)
        return cache.get(self._features_key(texts), lambda: self._features(texts, verbose))

    def _features_key(self, texts: Any) -> str:
        config, (first, second) = self.get_config(), columns(read_texts(texts))
        settings = {
            "kerasformer": __version__,
            "config": dataclasses.asdict(self.encoder.config),
            "layers of the encoder": Structure(self.encoder).settings,
            **{name: config[name] for name in (*VECTORS, "max_length")},
            "tokenizer": self.tokenizer and self.tokenizer.to_json(),
        }
        if second is not None:
            settings["pairs"] = len(second)
        return fingerprint(settings, self.encoder.weights, [*first, *(second or [])])

    def _features(self, texts: Any, verbose: str | int = "auto") -> np.ndarray:
        structure = Structure(self.encoder)
        if self._extractor is None or self._extractor.structure != structure:
            model = vectors_model(lambda inputs: self._pool(inputs, training=False))
            self._extractor = _Extractor(model, structure)
        data = TextBatches(self.tokenize(texts), batch_size=32, max_length=self.max_length)
        return predict_rows(self._extractor.model, data, self.feature_size, verbose)

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
        self.check_process()
        keras.utils.set_random_seed(seed)
        reset_head(self.head)
        recipe = self.FROZEN_RECIPE.change(epochs=epochs)

        def batches(vectors, labels, **order):
            rows = self._problem.labels(as_array(labels))
            return FeatureBatches(vectors, rows, batch_size=recipe.batch_size, **order)

        validation = None if validation_data is None else batches(*validation_data)
        data = batches(features, labels, seed=seed)
        return self._train(data, validation, recipe, seed=seed, restart=True, **options)


@dataclasses.dataclass
class _Extractor:
    """A model that gives the vectors, in what Keras does not take for a layer of the classifier."""

    model: keras.Model
    structure: Structure  # of the encoder that it was made of
