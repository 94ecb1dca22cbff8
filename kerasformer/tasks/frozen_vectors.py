"""Vectors of a frozen encoder, computed once, and training a head on them."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from kerasformer import __version__
from kerasformer.data.batches import Batches
from kerasformer.models.fingerprint import fingerprint
from kerasformer.models.structure import Structure
from kerasformer.tasks.encoder_task import EncoderTask
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.feature_cache import FeatureCache
from kerasformer.tasks.heads import reset_head
from kerasformer.tasks.prediction import vectors_model
from kerasformer.tasks.trainable import Trainable


class FrozenVectors(Trainable, EncoderTask):
    """A task whose head takes vectors of its encoder, which `fit` computes once if it is frozen.

    A child gives the vectors by `_vectors`, takes them also as its input `features`, and makes
    batches of these by `_feature_batches`.

    Attributes:
        feature_cache: Where `fit` keeps the vectors, and finds those of a model with the same
            encoder; by default nowhere.
    """

    feature_cache: FeatureCache | None = None
    _extractor: "_Extractor | None" = None

    def _vectors(self, inputs: Any, training: bool | None = None) -> Any:
        """What the head takes of the encoder's inputs."""
        raise NotImplementedError

    def _feature_batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> Batches:
        """As `_batches`, of the vectors of labelled examples."""
        raise NotImplementedError

    def _training_batches(self, examples: Examples, batch_size: int, **options: Any) -> Batches:
        # The frozen encoder's vectors stay the same in all epochs: they are computed once.
        make = self._feature_batches if self.encoder_is_frozen else self._batches
        return make(examples, batch_size, **options)

    @property
    def _vectors_model(self) -> keras.Model:
        """A model that gives the vectors of the encoder's inputs, the same as long as it can be."""
        structure = Structure(self.encoder)
        if self._extractor is None or self._extractor.structure != structure:
            model = vectors_model(lambda inputs: self._vectors(inputs, training=False))
            self._extractor = _Extractor(model, structure)
        return self._extractor.model

    def _kept(
        self,
        cache: FeatureCache | None,
        compute: Callable[[], np.ndarray],
        texts: Iterable[str],
        **settings: Any,
    ) -> np.ndarray:
        """The vectors that `compute` gives, or a cache has.

        Args:
            cache: The cache, if there is one.
            compute: Computes them.
            texts: What they are of.
            **settings: What else they follow from, beside the encoder and the tokenizer.
        """
        if cache is None:
            return compute()
        settings |= {
            "kerasformer": __version__,
            "config": dataclasses.asdict(self.encoder.config),
            "layers of the encoder": Structure(self.encoder).settings,
            "tokenizer": self.get_config()["tokenizer"],
        }
        return cache.get(fingerprint(settings, self.encoder.weights, texts), compute)

    def _fit_head(
        self,
        batches: Callable[..., Batches],
        vectors: np.ndarray,
        labels: Any,
        seed: int,
        *,
        epochs: int | None,
        validation_data: tuple[np.ndarray, Any] | None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains the head alone, anew, by `FROZEN_RECIPE`.

        Args:
            batches: Makes batches of vectors and their labels; the further arguments are those of
                `Batches`.
            vectors, labels, seed, epochs, validation_data: As of `fit_head`.
            **options: As of `Task._train`.
        """
        self.check_process()
        keras.utils.set_random_seed(seed)
        self._reset_head()
        recipe = self.FROZEN_RECIPE.change(epochs=epochs)
        order = {"batch_size": recipe.batch_size}
        validation = None if validation_data is None else batches(*validation_data, **order)
        data = batches(vectors, labels, seed=seed, **order)
        return self._train(data, validation, recipe, seed=seed, restart=True, **options)

    def _reset_head(self) -> None:
        """Gives the head new first weights."""
        for head in self.heads.values():
            reset_head(head)


@dataclasses.dataclass
class _Extractor:
    """A model that gives the vectors, in what Keras does not take for a layer of the task."""

    model: keras.Model
    structure: Structure  # of the encoder that it was made of
