"""The devices that `keras.distribution.DataParallel` spreads the rows of a batch over, on JAX."""

import contextlib
import hashlib
import sys
from typing import Any

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.private_api import get_mask, set_mask


def data_parallel() -> keras.distribution.DataParallel | None:
    """The distribution that Keras follows now, if it is of data; None elsewhere than on JAX.

    >>> data_parallel() is None
    True
    """
    distribution = keras.distribution.distribution()
    is_ours = isinstance(distribution, keras.distribution.DataParallel)
    return distribution if is_ours and keras.backend.backend() == "jax" else None


def processes() -> int:
    """In how many processes, on one machine or several, a model is trained.

    >>> processes()
    1
    """
    distribution = data_parallel()
    return 1 if distribution is None else distribution.num_processes


def is_first_process() -> bool:
    """Whether this is the process that writes files and shows progress.

    >>> is_first_process()
    True
    """
    return processes() == 1 or sys.modules["jax"].process_index() == 0


def wait_for_all(place: str) -> None:
    """Waits until all processes are at a place, named for JAX's messages.

    >>> wait_for_all("start")
    """
    if processes() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(place)


def all_agree(text: str) -> bool:
    """Whether all processes give the same text, for which they wait for each other.

    >>> all_agree("seed 0")
    True
    """
    if processes() == 1:
        return True
    from jax.experimental import multihost_utils

    mine = np.frombuffer(hashlib.sha256(text.encode()).digest(), "uint8")
    return bool((multihost_utils.process_allgather(mine) == mine).all())


class _WholeBatches(keras.distribution.DataParallel):
    """Gives each device all rows of a batch, of which `SpreadRows` has it compute its own.

    Keras divides a batch before the step: only one whose rows the devices divide evenly and, in
    several processes, only one of a `tf.data.Dataset`. Token ids are few bytes to send.
    """

    def __init__(self, given: keras.distribution.DataParallel):
        super().__init__(device_mesh=given.device_mesh, auto_shard_dataset=False)

    def get_data_layout(self, data_shape: Any) -> Any:
        """The layout of a batch: whole everywhere."""
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


def check_devices(model: keras.Model) -> None:
    """Looks whether a model is where the distribution of now has its data.

    Raises:
        UserError: It is on other devices than these.

    >>> check_devices(keras.Sequential())
    """
    distribution = data_parallel()
    if distribution is None:
        return
    devices = set(distribution.device_mesh.backend_mesh.devices.flat)
    if any(weight.value.sharding.device_set != devices for weight in model.weights):
        raise UserError(
            f"This {type(model).__name__} was made before the keras.distribution that it is to be "
            "used in was set: make it, its encoder included, after that."
        )


def whole_batches(model: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """The scope in which a model is trained on batches of any number of rows.

    Raises:
        UserError: As `check_devices`.
    """
    check_devices(model)
    distribution = data_parallel()
    return contextlib.nullcontext() if distribution is None else _WholeBatches(distribution).scope()


class SpreadRows(keras.Model):
    """A model each of whose steps has the devices compute rows of their own.

    Where these do not divide the rows of a batch, some are computed twice, and left out of what
    the step goes on with: loss, metrics and gradients are those of the batch.
    """

    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        inputs: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """As in Keras."""
        variables, distribution = (trainable_variables, non_trainable_variables), data_parallel()
        if distribution is None:
            return super().stateless_call(*variables, inputs, *args, **kwargs)
        rows, devices = len(keras.tree.flatten(inputs)[0]), distribution.device_mesh.shape[0]
        order = np.resize(np.arange(rows), -(-rows // devices) * devices)

        def spread(array):
            if len(order) > rows:
                array = keras.ops.take(array, order, axis=0)
            return _laid_out(array, distribution, distribution.batch_dim_name)

        def gathered(array):
            mask = get_mask(array)
            if len(order) > rows:
                array = array[:rows]
                mask = mask if mask is None else mask[:rows]
            if not kwargs.get("training"):  # for a process to read what others have computed
                array = _laid_out(array, distribution, None)
            if mask is not None:
                set_mask(array, mask)
            return array

        inputs = keras.tree.map_structure(spread, inputs)
        outputs, *rest = super().stateless_call(*variables, inputs, *args, **kwargs)
        return keras.tree.map_structure(gathered, outputs), *rest


def _laid_out(array: Any, distribution: Any, axis: str | None) -> Any:
    """An array whose rows are on the devices of an axis; of None all of them on each."""
    layout = [axis, *[None] * (len(array.shape) - 1)]
    layout = keras.distribution.TensorLayout(layout, distribution.device_mesh)
    return keras.distribution.distribute_tensor(array, layout)
