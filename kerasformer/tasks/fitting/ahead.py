"""What training has ready before its first step: whole batches, and programs for their shapes."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasformer.data.batches import Batches
from kerasformer.models.ahead import compile_all, compiling_shown
from kerasformer.models.data_parallel import data_parallel
from kerasformer.tasks.fitting.filling import fills


class Ready(keras.callbacks.Callback):
    """Has batches filled up where shapes are few, and the steps of training compiled for all.

    On JAX they are compiled side by side, for seconds each, and its own cache has them ready for
    Keras until the first epoch ends. TensorFlow compiles none before it runs.

    Args:
        task: The model, compiled, with the variables of its optimizer and metrics.
        data: The batches of the first epoch to train on.
        validation: Those that Keras is to evaluate on, if any.
        verbose: Whether to show what is done; 0 for no.
    """

    def __init__(
        self,
        task: keras.Model,
        data: Batches,
        validation: Batches | None,
        verbose: Any = "auto",
    ):
        super().__init__()
        for batches in filter(None, (data, validation)):
            batches.fills = fills(task)
        is_jit = keras.backend.backend() == "jax" and task.jit_compile and not task.run_eagerly
        self._steps: list[Callable] = []
        if not is_jit or data_parallel() is not None:
            return
        import jax

        task.make_train_function()  # before which the programs of an earlier one may be found
        task.make_test_function()
        # JAX's cache keeps what is of a function, as long as that lives.
        self._steps = [task.train_step, task.test_step]
        weights = [task.trainable_variables, task.non_trainable_variables]
        own, metrics = task.optimizer.variables, task.metrics_variables
        train, test = (jax.jit(step, donate_argnums=0) for step in self._steps)  # as in Keras
        jobs: list[Any] = [(train, ((*weights, own, metrics), one)) for one in shapes_of(data)]
        if validation:
            jobs += [(test, ((*weights, metrics), one)) for one in shapes_of(validation)]
        with compiling_shown(verbose) as show:
            compile_all(jobs, show)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Lets go of what Keras has found by now."""
        self.release()

    def release(self) -> None:
        """Lets go of the programs, which another training must not find."""
        self._steps = []


def shapes_of(data: Batches) -> Iterator[Any]:
    """A batch of each shape that those of an epoch have.

    >>> import numpy as np
    >>> from kerasformer.data.batches import FeatureBatches
    >>> data = FeatureBatches(np.zeros((5, 3), "float32"), [0, 1, 0, 1, 0], batch_size=2)
    >>> [len(labels) for inputs, labels in shapes_of(data)]
    [2, 1]
    """
    sizes = {
        (len(rows), int(data.lengths_of(rows).max())): number
        for number, rows in reversed(list(enumerate(data.batches)))
    }
    seen = set()
    for number in sorted(sizes.values()):
        batch = data[number]
        shape = tuple(array.shape for array in keras.tree.flatten(batch))
        if shape not in seen:
            seen.add(shape)
            yield batch
