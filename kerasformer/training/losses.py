"""What a loss of Keras takes: logits or probabilities, class indices or rows of probabilities."""

import inspect
from typing import Any

import keras
import numpy as np

from kerasformer.errors import UserError


def takes_probabilities(loss: Any) -> bool:
    """Whether a loss takes the model's outputs for probabilities where logits are an option.

    >>> takes_probabilities("sparse_categorical_crossentropy")
    True
    >>> takes_probabilities(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    False
    """
    loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        return loss.get_config().get("from_logits") is False
    option = inspect.signature(loss).parameters.get("from_logits")
    return option is not None and option.default is False


def takes_indices(loss: Any) -> bool | None:
    """Whether labels are class indices `[n]`, or else `[n, classes]`; None where it is unknown.

    >>> takes_indices("sparse_categorical_crossentropy"), takes_indices("mse")
    (True, False)
    """
    if loss is None or keras.tree.is_nested(loss):
        return None
    loss = keras.losses.get(loss)
    kind = loss if inspect.isfunction(loss) else type(loss)
    if not kind.__module__.startswith("keras."):
        return None  # a loss of the user's own
    return kind.__name__.lower().startswith("sparse")


def labels_for(loss: Any, labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels in the form that a loss takes: class indices `[n]`, or rows `[n, classes]`.

    Raises:
        UserError: The loss takes indices, and the labels are probabilities other than 0 and 1.

    Example:

    >>> labels_for("mse", np.array([1, 0]), classes=2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    wanted = takes_indices(loss)
    if wanted is None or wanted is (labels.ndim == 1):
        return labels
    if not wanted:
        return np.eye(classes, dtype="float32")[labels]
    if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=-1) == 1).all()):
        raise UserError(
            "The labels are class probabilities, but the model is compiled for one class a text: "
            "fit it with restart=True, or compile it for them."
        )
    return labels.argmax(axis=-1).astype("int32")


def cross_entropy(one_hot: bool) -> keras.losses.Loss:
    """The cross-entropy of logits, of labels that are class indices or, one-hot, probabilities."""
    losses = keras.losses
    loss = losses.CategoricalCrossentropy if one_hot else losses.SparseCategoricalCrossentropy
    return loss(from_logits=True)
