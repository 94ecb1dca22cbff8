"""Keras' training loop on batches: from the start, or from where a training was ended."""

from collections.abc import Callable
from typing import Any

import keras

from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.models.data_parallel import whole_batches
from kerasformer.models.distribution import replicas
from kerasformer.private_api import compute_output_spec
from kerasformer.tasks.fitting.head_first import HeadFirst
from kerasformer.training import AdamW
from kerasformer.training.interruption import postponed_interruption
from kerasformer.training.recipe import as_int, inner
from kerasformer.training.resume import Checkpoints, Run, restore_finished


class _Callbacks(keras.callbacks.CallbackList):
    """Callbacks that see one training where Keras runs two: the rest of an epoch, and the others.

    Attributes:
        offset: The batches of the epoch that were trained on before.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.offset, self._has_begun, self._logs = 0, False, None

    def on_train_begin(self, logs: Any = None) -> None:
        if not self._has_begun:
            self._has_begun = True
            super().on_train_begin(logs)

    def on_train_end(self, logs: Any = None) -> None:
        self._logs = logs

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_begin(batch + self.offset, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_end(batch + self.offset, logs)

    def finish(self) -> None:
        """Tells that training has ended."""
        if self._has_begun:
            super().on_train_end(self._logs)


def batches_done(task: Any) -> int:
    """How many batches the optimizer of a task has seen; 0 of one that `fit` did not make."""
    optimizer = inner(task.optimizer)
    return as_int(optimizer.batches) if isinstance(optimizer, AdamW) else 0


def rewind(task: Any, run: Run | None) -> bool:
    """Sets a task's optimizer back to where a run began; whether it is to have a new one.

    Raises:
        UserError: It began with one that had taken steps, and this one has taken none.
    """
    if run is None or run.start is None:
        return False
    path, state, _ = run.start
    if not state.done:
        return True
    if not task.compiled:
        raise UserError(
            f"The training in {path.parent} went on from an earlier one, of {state.done:,} "
            "batches: repeat that one first, or give another folder."
        )
    inner(task.optimizer).batches.assign(state.done)
    return False


def fit_batches(
    task: Any,
    data: Batches,
    callbacks: list[keras.callbacks.Callback],
    *,
    initial_epoch: int,
    **options: Any,
) -> keras.callbacks.History:
    """`keras.Model.fit` on batches, from the start.

    Args:
        task: The model, compiled.
        data: The batches.
        callbacks: Those that this training is to have.
        initial_epoch, **options: As of `keras.Model.fit`.
    """
    # Keras starts passes over data that it does not train on, how many depends on the backend.
    start = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: data.start_epoch(epoch - initial_epoch)
    )
    options |= {"initial_epoch": initial_epoch, "callbacks": [start, *callbacks]}
    # Not shuffled by Keras: the batches have an order of their own already.
    with whole_batches(task):
        return keras.Model.fit(task, data.for_backend(), shuffle=False, **options)


def fit_from(
    task: Any,
    data: Batches,
    run: Run,
    callbacks: list[keras.callbacks.Callback],
    *,
    done: int,
    check: Callable[[], None],
    epochs: int,
    initial_epoch: int,
    verbose: Any = "auto",
    **options: Any,
) -> keras.callbacks.History:
    """`keras.Model.fit` from where a run was ended, to its end.

    Args:
        task: The model, compiled.
        data: The batches; those of the first epoch.
        run: The training with its checkpoints.
        callbacks: Those that this training is to have.
        done: The batches that the optimizer has seen before.
        check: Raises an error for what is no end of a training.
        epochs, initial_epoch, verbose, **options: As of `keras.Model.fit`.
    """
    if any(isinstance(one, keras.callbacks.BackupAndRestore) for one in callbacks):
        raise UserError("resume= does what BackupAndRestore is for: leave one of the two out.")
    if getattr(task.optimizer, "use_ema", False):
        raise UserError("resume= takes no optimizer with use_ema=True, whose weights are averages.")
    epoch, step = run.position(initial_epoch, epochs, len(data))

    def start_epoch(number, logs=None):
        data.start_epoch(number - initial_epoch, told.offset)

    with postponed_interruption() as interruption, whole_batches(task):
        last = Checkpoints(run, callbacks, interruption, done)
        start = keras.callbacks.LambdaCallback(on_epoch_begin=start_epoch)
        shown = {"add_progbar": verbose != 0, "verbose": verbose, "epochs": epochs}
        told = _Callbacks([start, *callbacks, last], True, model=task, steps=len(data), **shown)
        options |= {"callbacks": told, "verbose": verbose, "shuffle": False}
        try:
            if step:
                told.offset = step
                start_epoch(epoch)
                part = {"initial_epoch": epoch, "epochs": epoch + 1, **options}
                keras.Model.fit(task, data.for_backend(), **part)
                epoch += 1
            if not step or (epoch < epochs and not task.stop_training):
                told.offset = 0
                start_epoch(epoch)
                part = {"initial_epoch": epoch, "epochs": epochs, **options}
                keras.Model.fit(task, data.for_backend(), **part)
        except KeyboardInterrupt:
            told.finish()  # such as files that are to be closed
            raise
        told.finish()
        check()
        last.finish()
    return task.history


def end_of(
    task: Any, run: Run, callbacks: list[keras.callbacks.Callback]
) -> keras.callbacks.History:
    """Gives a task, compiled, the state in which a run has ended; the history of that."""
    assert run.start is not None
    for one in callbacks:
        if isinstance(one, HeadFirst):  # the optimizer of the end may be another
            one.set_model(task)
            one.on_epoch_begin(max(run.start.state.epochs, default=0))
    return restore_finished(task, run.start)


def build_state(task: keras.Model, data: Batches) -> None:
    """Makes the variables of the optimizer and of the metrics, as Keras does in the first step.

    TensorFlow keeps a function that made variables, and all that it refers to, for as long as the
    process lives. The metrics are computed on shapes alone, as they may be a person's own; of a
    model that runs eagerly on a batch, as they may need values.
    """
    if replicas(task) > 1:
        return  # Keras makes them before the first step
    if not task.optimizer.built:
        task.optimizer.build(task.trainable_variables)
    if task.run_eagerly:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data[0])
        given = {"x": x, "y": y, "sample_weight": sample_weight}
        given["y_pred"] = task(x, training=False)
        task.compute_metrics(**given)
        task.compute_loss(**given, training=False)
        task.reset_metrics()
        return
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(
        keras.tree.map_structure(
            lambda array: keras.KerasTensor(array.shape, str(array.dtype)), data[0]
        )
    )
    given = {"x": x, "y": y, "sample_weight": sample_weight}
    given["y_pred"] = task.compute_output_spec(x)
    compute_output_spec(task.compute_metrics, **given)
    compute_output_spec(task.compute_loss, **given, training=False)
