"""The devices that have a copy of a model each, above all by `tf.distribute`."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras

from kerasformer.errors import UserError
from kerasformer.formatting import listed
from kerasformer.models.data_parallel import data_parallel


def replicas(model: keras.Model) -> int:
    """On how many devices `tf.distribute` has a copy of the model; 1 without, and on JAX.

    >>> replicas(keras.Sequential())
    1
    """
    strategy = getattr(model, "distribute_strategy", None)
    return 1 if strategy is None else strategy.num_replicas_in_sync


# The names of classes, and those that people know them by.
_OF_MACHINES = {
    "CollectiveAllReduceStrategy": "MultiWorkerMirroredStrategy",
    "ParameterServerStrategyV2": "ParameterServerStrategy",
}


def devices(model: keras.Model) -> int:
    """How many devices share the rows of a batch in training.

    >>> devices(keras.Sequential())
    1
    """
    distribution = data_parallel()
    return replicas(model) if distribution is None else distribution.device_mesh.shape[0]


def strategy_scope(model: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """The scope of the strategy that a model was made in: what belongs to it is made there too.

    Raises:
        UserError: The scope of now is another than that which the model was made in, or is of
            several machines.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None:
        return contextlib.nullcontext()
    if name := _OF_MACHINES.get(type(strategy).__name__):
        raise UserError(
            f"Keras 3 does not train with tf.distribute's {name}: on several machines take its JAX "
            "backend and jax.distributed."
        )
    if replicas(model) > 1 and not all(
        strategy.extended.variable_created_in_scope(weight.value) for weight in model.weights
    ):
        raise UserError(
            f"This {type(model).__name__} was made outside the scope of the tf.distribute strategy "
            "that it is to be trained in: make it, its encoder included, in the scope."
        )
    return strategy.scope()


def several_devices(count: int | None) -> contextlib.AbstractContextManager[Any]:
    """The scope in which models are made, trained and used on devices of this machine.

    Args:
        count: How many devices, of those of the kind that is preferred; None for all.

    Raises:
        UserError: There are not so many.

    >>> with several_devices(1):
    ...     replicas(keras.Sequential())
    1
    """
    if on_jax := keras.backend.backend() == "jax":
        names = keras.distribution.list_devices()
    else:
        import tensorflow as tf

        names = [
            device.name
            for device in tf.config.list_logical_devices("GPU")
            or tf.config.list_logical_devices("CPU")
        ]
    if count is not None and count > len(names):
        raise UserError(
            f"There are fewer than {count} devices on this machine, only {listed(names)}: give a "
            "lower number, or all."
        )
    names = names[:count]
    if len(names) == 1:
        return contextlib.nullcontext()
    if on_jax:
        return keras.distribution.DataParallel(devices=names).scope()
    return tf.distribute.MirroredStrategy(names).scope()


def loss_across_replicas(
    model: keras.Model, compute: Callable[[Any], Any], outputs: Any, sample_weight: Any
) -> Any:
    """The loss of a replica's rows as its share in that of the batch, whose rows may be uneven.

    Keras takes the mean of the replicas' losses, as if each had as many rows, and as much weight,
    as the others: the last batch of an epoch seldom has, and words never.

    Args:
        model: The model, compiled, on several devices of `tf.distribute`.
        compute: Gives Keras' loss for sample weights.
        outputs: The model's, for the rows of this replica.
        sample_weight: The weights of these, or None.
    """
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    count = tf.distribute.get_strategy().num_replicas_in_sync  # 1 outside of the scope
    reductions = {getattr(one, "reduction", "mean") for one in keras.tree.flatten(model.loss)}
    of_rows = reductions <= _OF_ROWS
    if count == 1 or not (of_rows or reductions == _OF_WEIGHTS):
        return compute(sample_weight)
    if replica is None:  # in the scope, but of all rows
        return count * compute(sample_weight)
    rows = tf.cast(tf.shape(keras.tree.flatten(outputs)[0])[0], "float32")
    weights = [] if of_rows else keras.tree.flatten(sample_weight)
    parts = [tf.reduce_sum(tf.cast(one, "float32")) for one in weights if one is not None] or [rows]
    all_rows, *wholes = replica.all_reduce(tf.distribute.ReduceOp.SUM, [rows, *parts])
    shares = [
        tf.math.divide_no_nan(count * part, whole)
        for part, whole in zip(parts, wholes, strict=True)
    ]
    per_row = tf.math.divide_no_nan(all_rows, count * rows)
    if of_rows:  # so that the losses of several outputs are told right too
        given = tf.ones(1) if sample_weight is None else sample_weight
        loss = compute(keras.tree.map_structure(lambda w: shares[0] * tf.cast(w, "float32"), given))
    elif len(shares) > 1:
        loss = _of_each_output(model, compute, sample_weight, shares, per_row)
    else:
        loss = shares[0] * compute(sample_weight)
    loss = tf.reduce_sum(loss)  # without a graph Keras' loss of no rows is no scalar
    # In the mean over an epoch Keras weighs it by the replica's rows.
    shown = loss * per_row
    return loss + tf.stop_gradient(shown - loss)


def _of_each_output(
    model: keras.Model,
    compute: Callable[[Any], Any],
    sample_weight: Any,
    shares: list[Any],
    per_row: Any,
) -> Any:
    """The sum of the losses of several outputs, each times a share of its own.

    Keras gives the sum alone: it is asked once for each output, while the others weigh nothing.

    Args:
        model, compute, sample_weight: As of `loss_across_replicas`.
        shares: Of the outputs.
        per_row: What shares are multiplied by in Keras' mean of an output's losses over an epoch.
    """
    weights = keras.tree.flatten(sample_weight)
    means = [one for one in model.metrics if type(one) is keras.metrics.Mean and one.name != "loss"]
    loss, counts = 0.0, [one.count + 0.0 for one in means]
    for number, share in enumerate(shares):
        alone = [w if k == number else keras.ops.zeros_like(w) for k, w in enumerate(weights)]
        totals = [one.total + 0.0 for one in means]
        loss += share * compute(keras.tree.pack_sequence_as(sample_weight, alone))
        for mean, total in zip(means, totals, strict=True):  # the others' are as they were
            mean.total.assign(total + share * per_row * (mean.total - total))
    for mean, count in zip(means, counts, strict=True):  # which was raised as often
        mean.count.assign(count + (mean.count - count) / len(shares))
    return loss


_OF_ROWS, _OF_WEIGHTS = {"sum_over_batch_size", "mean"}, {"mean_with_sample_weight"}
