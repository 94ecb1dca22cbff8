"""The devices that a model is spread over by `tf.distribute`."""

import contextlib
from typing import Any

import keras

from kerasformer.errors import UserError


def replicas(model: keras.Model) -> int:
    """On how many devices a copy of the model is; 1 without a strategy, and on other backends.

    >>> replicas(keras.Sequential())
    1
    """
    strategy = getattr(model, "distribute_strategy", None)
    return 1 if strategy is None else strategy.num_replicas_in_sync


def strategy_scope(model: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """The scope of the strategy that a model was made in: what belongs to it is made there too.

    Raises:
        UserError: The scope of now is another than that which the model was made in.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None:
        return contextlib.nullcontext()
    if replicas(model) > 1 and not all(
        strategy.extended.variable_created_in_scope(weight.value) for weight in model.weights
    ):
        raise UserError(
            f"This {type(model).__name__} was made outside the scope of the tf.distribute strategy "
            "that it is to be trained in: make it, its encoder included, in the scope."
        )
    return strategy.scope()
