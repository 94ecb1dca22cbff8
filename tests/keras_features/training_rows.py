"""The rows that train: arguments of fit, evaluate and predict; callbacks; arguments of compile."""

import contextlib

import keras
import numpy as np

from .cell import assert_finite, assert_same, half, row
from .subjects import TRACED

# Arguments of fit, evaluate and predict.


@row("fit(epochs, initial_epoch, steps_per_epoch)")
def _(cell):
    counted = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: counted.append(1))
    history = cell.fit(epochs=3, initial_epoch=1, steps_per_epoch=1, callbacks=[count])
    assert history.epoch == [1, 2]
    assert len(counted) == 2


@row("fit(validation_split, validation_freq)")
def _(cell):
    history = cell.fit(validation_split=0.5, validation_freq=2, epochs=2).history
    assert len(history["loss"]) == 2
    assert len(history["val_loss"]) == 1


@row("fit(validation_data, validation_steps, validation_batch_size)")
def _(cell):
    x, y = cell.subject.x, cell.subject.y
    weights = cell.weights_like([1, 0, 5, 7])
    limits = {"validation_steps": 1, "validation_batch_size": 2}
    history = cell.fit(validation_data=(x, y, weights), **limits).history
    first = cell.evaluate(
        x=x[:2], y=half(y, slice(2)), sample_weight=half(weights, slice(2)), batch_size=2
    )
    assert abs(history["val_loss"][0] - first["loss"]) < 1e-4


@row("fit(sample_weight)")
def _(cell):
    weights = cell.weights_like([4, 0, 1, 1])
    expected = cell.evaluate(sample_weight=weights, batch_size=4)["loss"]
    assert abs(expected - cell.evaluate(batch_size=4)["loss"]) > 1e-3
    history = cell.fit(sample_weight=weights, batch_size=4).history
    assert abs(history["loss"][0] - expected) < 1e-4


@row("fit(class_weight)")
def _(cell):
    weights = {0: 1.0, 1: 3.0}
    given = cell.weights_like([3, 1, 3, 1])  # of CLASSES
    expected = cell.evaluate(sample_weight=given, batch_size=4)["loss"]
    history = cell.fit(class_weight=weights, batch_size=4).history
    assert abs(history["loss"][0] - expected) < 1e-4


@row("fit(shuffle=False, verbose=2)")
def _(cell):
    assert np.isfinite(cell.fit(shuffle=False, verbose=2).history["loss"]).all()


def _batches(cell):
    x, y = cell.subject.x, cell.subject.y
    return [(x[i : i + 2], half(y, slice(i, i + 2))) for i in (0, 2)]


@row("fit, evaluate, predict of a PyDataset")
def _(cell):
    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return _batches(cell)[index]

    _from_data(cell, Data)


@row("fit, evaluate, predict of a tf.data.Dataset")
def _(cell):
    import tensorflow as tf

    pairs = (cell.subject.x, cell.subject.y)
    _from_data(cell, lambda: tf.data.Dataset.from_tensor_slices(pairs).batch(2))


@row("fit, evaluate, predict of a generator")
def _(cell):
    _from_data(cell, lambda: (batch for batch in _batches(cell)))


def _from_data(cell, make):
    assert np.isfinite(cell.fit(x=make(), y=None, batch_size=None).history["loss"]).all()
    expected, loss = cell.predict(), cell.evaluate()["loss"]
    given = cell.evaluate(x=make(), y=None, batch_size=None)["loss"]
    assert abs(given - loss) < 1e-4
    outputs = keras.tree.flatten(cell.model.predict(make(), verbose=0))
    assert_same(outputs, expected)


@row("evaluate(sample_weight, steps, callbacks, return_dict)")
def _(cell):
    seen = []
    told = keras.callbacks.LambdaCallback()
    told.on_test_batch_end = lambda step, logs=None: seen.append(step)
    weights = cell.weights_like([2, 2, 9, 9])
    scores = cell.evaluate(sample_weight=weights, steps=1, callbacks=[told])
    x, y = cell.subject.x[:2], half(cell.subject.y, slice(2))
    first = cell.evaluate(x=x, y=y, sample_weight=half(weights, slice(2)))
    assert seen == [0]
    assert abs(scores["loss"] - first["loss"]) < 1e-5
    values = cell.model.evaluate(cell.subject.x, cell.subject.y, verbose=0)
    assert len(values) >= 2 if cell.subject.metrics else np.isscalar(values)


@row("predict(batch_size, steps, callbacks)")
def _(cell):
    seen = []
    told = keras.callbacks.LambdaCallback()
    told.on_predict_batch_end = lambda step, logs=None: seen.append(step)
    options = {"batch_size": 2, "steps": 1, "callbacks": [told], "verbose": 0}
    outputs = keras.tree.flatten(cell.model.predict(cell.subject.x, **options))
    assert seen == [0]
    assert_same(outputs, cell.predict(x=cell.subject.x[:2]))


@row("train_on_batch")
def _(cell):
    logs = cell.model.train_on_batch(cell.subject.x, cell.subject.y, return_dict=True)
    assert np.isfinite(logs["loss"])


@row("test_on_batch")
def _(cell):
    cell.model.reset_metrics()  # train_on_batch and this go on with them
    logs = cell.model.test_on_batch(cell.subject.x, cell.subject.y, return_dict=True)
    # In one batch: a mean over tokens that are not masked is not that of the batches' means.
    assert abs(logs["loss"] - cell.evaluate(batch_size=4)["loss"]) < 1e-4


@row("predict_on_batch")
def _(cell):
    assert_same(keras.tree.flatten(cell.model.predict_on_batch(cell.subject.x)), cell.predict())


# Callbacks.


@row("CSVLogger, TensorBoard, TerminateOnNaN, LambdaCallback")
def _(cell):
    called = []
    callbacks = keras.callbacks
    history = cell.fit(
        epochs=2,
        callbacks=[
            callbacks.CSVLogger(cell.folder / "log.csv"),
            callbacks.TensorBoard(cell.folder / "board", write_graph=False),
            callbacks.TerminateOnNaN(),
            callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: called.append(logs["loss"])),
        ],
    )
    assert called == history.history["loss"]
    assert len((cell.folder / "log.csv").read_text().splitlines()) == 3
    assert list((cell.folder / "board").rglob("events*"))


@row("EarlyStopping(restore_best_weights), a callback that stops")
def _(cell):
    stop = keras.callbacks.EarlyStopping(
        "loss", min_delta=1e9, patience=1, restore_best_weights=True, start_from_epoch=0
    )
    assert cell.fit(epochs=5, callbacks=[stop]).epoch == [0, 1]

    class Stops(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert self.model is cell.model
            self.model.stop_training = True

    assert cell.fit(epochs=5, callbacks=[Stops()]).epoch == [0]


@row("ModelCheckpoint")
def _(cell):
    path, weights = cell.folder / "best.keras", cell.folder / "best.weights.h5"
    cell.fit(
        callbacks=[
            keras.callbacks.ModelCheckpoint(path, monitor="loss"),
            keras.callbacks.ModelCheckpoint(weights, save_weights_only=True),
        ]
    )
    again, fresh = keras.saving.load_model(path), cell.fresh()
    fresh.load_weights(weights)
    for model in (again, fresh):
        assert type(model) is type(cell.model)
        assert_same(cell.predict(model), cell.predict())


@row("ReduceLROnPlateau, LearningRateScheduler")
def _(cell):
    model = cell.model
    model.optimizer.learning_rate = 0.01
    callbacks = keras.callbacks
    plateau = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    cell.fit(epochs=2, callbacks=[plateau])
    assert abs(float(model.optimizer.learning_rate) - 0.005) < 1e-6
    cell.fit(callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: 0.02)])
    assert abs(float(model.optimizer.learning_rate) - 0.02) < 1e-6


@row("BackupAndRestore")
def _(cell):
    class Interrupted(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    # Keras starts each further fit of the model at the epoch restored, so it is no shared one.
    folder, model = cell.folder / "backup", cell.fresh()
    with contextlib.suppress(KeyboardInterrupt):
        callbacks = [keras.callbacks.BackupAndRestore(folder), Interrupted()]
        cell.fit(model, epochs=3, callbacks=callbacks)
    history = cell.fit(model, epochs=3, callbacks=[keras.callbacks.BackupAndRestore(folder)])
    assert history.epoch == [1, 2]


@row("SwapEMAWeights")
def _(cell):
    model = cell.fresh(optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    cell.fit(model, callbacks=[swap], validation_data=(cell.subject.x, cell.subject.y))
    assert_finite(cell.predict(model))


# Arguments of compile.


def each(cell, value):
    """The value for each output that has labels."""
    labels = cell.subject.y
    return dict.fromkeys(labels, value) if isinstance(labels, dict) else value


@row("compile(metrics, weighted_metrics)")
def _(cell):
    accuracy = each(cell, ["accuracy"])
    model = cell.fresh(metrics=accuracy, weighted_metrics=accuracy)
    model.set_weights(cell.model.get_weights())
    weights = cell.weights_like([1, 0, 0, 0])
    values = model.evaluate(cell.subject.x, cell.subject.y, sample_weight=weights, verbose=0)
    count = len(keras.tree.flatten(accuracy))
    assert len(values) in (1 + 2 * count, 1 + 2 * count + cell.subject.outputs)
    names = dict(zip(model.metrics_names, values, strict=False))
    assert np.isfinite(names["loss"])


@row("compile(loss_weights)")
def _(cell):
    model = cell.fresh(loss_weights=each(cell, 3.0))
    model.set_weights(cell.model.get_weights())
    assert abs(cell.evaluate(model)["loss"] - 3 * cell.evaluate()["loss"]) < 1e-3


@row("compile(auto_scale_loss)")
def _(cell):
    for scale in (True, False):
        model = cell.fresh("mixed_float16", auto_scale_loss=scale)
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == scale
        assert np.isfinite(cell.fit(model).history["loss"]).all()


@row("compile(steps_per_execution)", TRACED, traced=True)
def _(cell):
    model, plain = cell.fresh(steps_per_execution=2), cell.fresh()
    assert_same(cell.predict(model), cell.predict(plain))
    losses = [cell.fit(one, shuffle=False).history["loss"] for one in (model, plain)]
    np.testing.assert_allclose(*losses, atol=1e-4)
    assert int(model.optimizer.iterations) == 2


@row("compile(jit_compile=True)", TRACED, traced=True)
def _(cell):
    model = cell.fresh(jit_compile=True)
    model.set_weights(cell.model.get_weights())
    assert model.jit_compile
    assert_same(cell.predict(model), cell.predict())
