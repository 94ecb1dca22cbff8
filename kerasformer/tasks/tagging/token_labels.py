"""Tasks whose labels are one for each token."""

import inspect
from typing import Any

import keras

from kerasformer.errors import UserError
from kerasformer.tasks.encoder_task import EncoderTask


class TokenLabelled(EncoderTask):
    """An encoder's task with labels int `[batch, seq]`.

    Keras takes labels of two axes for class probabilities, so its `class_weight` would weigh whole
    examples by the place of their highest label.
    """

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As in Keras, but for `class_weight`, which is a UserError."""
        self._refuse_class_weight(keras.Model.fit, args, kwargs)
        return super().fit(*args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """As in Keras, but for `class_weight`, which is a UserError."""
        self._refuse_class_weight(keras.Model.train_on_batch, args, kwargs)
        return super().train_on_batch(*args, **kwargs)

    def _refuse_class_weight(self, method, args, kwargs):
        given = inspect.signature(method).bind(self, *args, **kwargs).arguments
        if given.get("class_weight") is not None:
            raise UserError(
                f"class_weight is for one label per example, and a {type(self).__name__} has one "
                "per token: give their weights as sample_weight, [batch, seq]."
            )
