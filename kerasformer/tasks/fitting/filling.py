"""Rows that fill a batch up and weigh nothing: in the loss, its gradients and the metrics."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasformer.data.shapes import are_few
from kerasformer.models.distribution import replicas
from kerasformer.private_api import get_mask, set_mask

_OURS = ("keras.", "kerasformer.")
_OF_BATCHES = ("Dice", "Tversky", "Circle")  # losses of Keras' that look at all rows at once


def loss_of_examples(
    model: keras.Model, compute: Callable[[Any], Any], outputs: Any, sample_weight: Any
) -> Any:
    """The loss of the examples of a batch that was filled up.

    Which rows these are its sample weights tell, those of `kerasformer.data.shapes.row_weights`.
    Keras leaves out of a loss and a mean what the mask of the outputs says.

    Args:
        model: The model, compiled.
        compute: Gives Keras' loss for sample weights.
        outputs: The model's, for all rows.
        sample_weight: The weights of these, or None.
    """
    if not _is_filled(sample_weight):
        return compute(sample_weight)
    is_example = sample_weight["is_example"]
    rows = ops.cast(ops.shape(is_example)[0], "float32")
    examples = ops.sum(ops.cast(is_example, "float32"))
    share = examples / rows
    # Keras' means of losses over an epoch count all rows of each batch.
    means = [one for one in model.metrics if type(one) is keras.metrics.Mean]
    before = [[variable + 0.0 for variable in one.variables] for one in means]
    loss = compute(weights_of_examples(outputs, sample_weight))
    for mean, state in zip(means, before, strict=True):
        for variable, old in zip(mean.variables, state, strict=True):
            variable.assign(old + share * (variable - old))
        if mean.name == "loss":  # to which Keras is about to add this one
            mean.count.assign(mean.count - (rows - examples))
    return loss + ops.stop_gradient(share * loss - loss)


def weights_of_examples(outputs: Any, sample_weight: Any) -> Any:
    """The weights for Keras, with the rows of outputs masked that are no examples."""
    if not _is_filled(sample_weight):
        return sample_weight
    _mask(outputs, sample_weight["is_example"])
    return sample_weight.get("weights")


def _is_filled(sample_weight: Any) -> bool:
    return isinstance(sample_weight, dict) and "is_example" in sample_weight


def _mask(outputs: Any, is_example: Any) -> None:
    """Masks the rows of outputs that are no examples, beside what is masked already."""
    for output in keras.tree.flatten(outputs):
        mask, before = is_example[:, None], get_mask(output)
        if before is not None:
            mask = ops.logical_and(mask, ops.cast(before, "bool"))
        set_mask(output, mask)


def fills(task: keras.Model) -> bool:
    """Whether the batches that a task, compiled and built, is trained on are to be filled up.

    They are where shapes are few, and compiled, if its loss and metrics are means of Keras' and of
    ours: any other may look at all rows at once.
    """
    if not are_few() or task.run_eagerly or replicas(task) > 1:
        return False
    if not all(getattr(one, "built", True) for one in task.metrics):
        return False  # which they are is not known yet
    losses = [keras.losses.get(one) for one in keras.tree.flatten(task.loss) if one is not None]
    metrics = [one for each in task.metrics for one in getattr(each, "metrics", [each])]
    return all(map(_is_known_loss, losses)) and all(map(_is_known_mean, metrics))


def _is_known_loss(loss: Any) -> bool:
    has_mean = getattr(loss, "reduction", "mean") not in (None, "none")
    kind = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    kinds = (kind, getattr(loss, "fn", kind))
    is_known = all(one.__module__.startswith(_OURS) for one in kinds)
    return has_mean and is_known and kind.__name__.capitalize() not in _OF_BATCHES


def _is_known_mean(metric: Any) -> bool:
    kind, means = type(metric), keras.metrics
    if kind is means.Mean:  # of a loss
        return True
    is_known = kind is not means.MeanMetricWrapper and kind.__module__.startswith(_OURS)
    return is_known and issubclass(kind, means.MeanMetricWrapper)
