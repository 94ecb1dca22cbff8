"""What a loss of Keras takes: logits or probabilities, class indices or rows of probabilities."""

import inspect
from typing import Any

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.private_api import get_mask, set_mask


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
    if not kind.__module__.startswith(("keras.", "kerasformer.")):
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


@keras.saving.register_keras_serializable(package="kerasformer")
class BinaryCrossentropyOfEach(keras.losses.BinaryCrossentropy):
    """Keras' `BinaryCrossentropy` of each class by itself, `[n, classes]`, before the mean.

    The mean is the same; but sample weights `[n, classes]` may be those of classes.

    Example:

    >>> loss = BinaryCrossentropyOfEach(from_logits=True)
    >>> round(float(loss(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))), 4)
    0.6931
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each class of each example."""
        return super().call(keras.ops.expand_dims(y_true, -1), keras.ops.expand_dims(y_pred, -1))


def metrics_for(loss: Any) -> list[Any]:
    """What Keras tells in training of a model that returns logits, beside its loss.

    The accuracy: of several labels the share of examples with all of them right; of numbers none.
    """
    if isinstance(loss, keras.losses.BinaryCrossentropy):
        return [AccuracyOfAll()]
    return [] if isinstance(loss, keras.losses.MeanSquaredError) else ["accuracy"]


@keras.saving.register_keras_serializable(package="kerasformer")
class AccuracyOfAll(keras.metrics.MeanMetricWrapper):
    """The share of examples with all of their labels right, by logits `[n, classes]`.

    Example:

    >>> metric = AccuracyOfAll()
    >>> metric.update_state(np.array([[1.0, 0.0]]), np.array([[2.0, -1.0]]))
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str = "accuracy", dtype: Any = None):
        super().__init__(_all_right, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype}


def _all_right(y_true: Any, logits: Any) -> Any:
    is_right = keras.ops.equal(keras.ops.cast(y_true, "bool"), logits >= 0)
    return keras.ops.cast(keras.ops.all(is_right, axis=-1), "float32")


def smoothed(loss: Any, label_smoothing: float) -> Any:
    """A cross-entropy, or each of several, with a share of each label spread over all classes.

    Raises:
        UserError: It is another loss, which has no classes.

    Example:

    >>> smoothed(cross_entropy(one_hot=True), 0.1).get_config()["label_smoothing"]
    0.1
    """
    if not label_smoothing:
        return loss
    if keras.tree.is_nested(loss):
        return keras.tree.map_structure(lambda one: smoothed(one, label_smoothing), loss)
    kind, own = type(loss), {"label_smoothing": label_smoothing}
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        is_smoothed = isinstance(loss, SparseSmoothedCrossentropy)
        kind = kind if is_smoothed else SparseSmoothedCrossentropy
    elif not isinstance(
        loss, keras.losses.CategoricalCrossentropy | keras.losses.BinaryCrossentropy
    ):
        name = getattr(loss, "name", loss)
        raise UserError(
            f"label_smoothing={label_smoothing} is of labels that are classes, and the loss here "
            f"is {name}: leave it at 0."
        )
    return kind.from_config(loss.get_config() | own)


@keras.saving.register_keras_serializable(package="kerasformer")
class SparseSmoothedCrossentropy(keras.losses.SparseCategoricalCrossentropy):
    """Keras' `SparseCategoricalCrossentropy` with the `label_smoothing` of that of one-hot labels.

    Szegedy et al., https://arxiv.org/abs/1512.00567, section 7: each label's probability is
    `1 - label_smoothing`, and that share is spread evenly over all classes.

    Args:
        label_smoothing: The share, from 0 up to 1.
        **kwargs: `from_logits`, `ignore_class` and the others that Keras' class takes.

    Example:

    >>> loss = SparseSmoothedCrossentropy(label_smoothing=0.1, from_logits=True)
    >>> round(float(loss(np.array([1]), np.array([[0.0, 2.0]]))), 4)
    0.2269
    """

    def __init__(self, label_smoothing: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each example."""
        exact = super().call(y_true, y_pred)
        logits = y_pred if self.from_logits else keras.ops.log(y_pred)
        even = self._even(keras.ops.log_softmax(logits))
        kept = get_mask(exact)  # of examples that are not of the class to be ignored
        if kept is not None:
            even = even * keras.ops.cast(kept, even.dtype)
        loss = (1 - self.label_smoothing) * exact + self.label_smoothing * even
        if kept is not None:
            set_mask(loss, kept)
        return loss

    def _even(self, log_probabilities: Any) -> Any:
        """The cross-entropy with labels that give all classes the same share."""
        return -keras.ops.mean(log_probabilities, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
