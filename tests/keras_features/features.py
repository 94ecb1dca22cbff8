"""The rows of the table: what Keras offers, each as a function that uses it and looks at the result.

A function takes a `Cell`: the subject, a model to train on, a folder.
"""

import copy
import dataclasses
import functools
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from .subjects import SUBJECTS, Subject

FEATURES: dict[str, Callable] = {}


def feature(name):
    def add(function):
        FEATURES[name] = function
        return function

    return add


@functools.cache
def _shared(name):
    return SUBJECTS[name].model()


@dataclasses.dataclass(frozen=True)
class Cell:
    """A feature on a class: `model` is fitted by many cells, `fresh()` is this one's own."""

    name: str
    folder: pathlib.Path

    @property
    def subject(self) -> Subject:
        return SUBJECTS[self.name]

    @property
    def model(self) -> keras.Model:
        return _shared(self.name)

    def fresh(self, dtype=None, **compile_options) -> keras.Model:
        return self.subject.model(dtype, **compile_options)

    def fit(self, model=None, **options) -> keras.callbacks.History:
        options = {"x": self.subject.x, "y": self.subject.y, "batch_size": 2, "verbose": 0} | options
        return (model or self.model).fit(**options)

    def predict(self, model=None, x=None) -> list[np.ndarray]:
        x = self.subject.x if x is None else x
        outputs = (model or self.model).predict(x, batch_size=2, verbose=0)
        return [np.asarray(output, "float32") for output in keras.tree.flatten(outputs)]

    def evaluate(self, model=None, **options) -> dict[str, float]:
        options = {"x": self.subject.x, "y": self.subject.y, "batch_size": 2, "verbose": 0} | options
        return (model or self.model).evaluate(**options, return_dict=True)

    def weights_like(self, values):
        """Weights of the examples, in the structure of the labels."""

        def weights(labels):
            axes = labels.ndim if labels.dtype.kind == "i" else 1
            array = np.reshape(np.asarray(values, "float32"), (-1, *[1] * (axes - 1)))
            return np.broadcast_to(array, labels.shape[:axes])

        return keras.tree.map_structure(weights, self.subject.y)


def assert_same(one, other, atol=1e-5):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


def assert_finite(arrays):
    assert all(np.isfinite(array).all() for array in arrays)


def half(data, rows):
    return data[rows] if not isinstance(data, dict) else {k: v[rows] for k, v in data.items()}


# Arguments of fit, evaluate and predict.


@feature("fit(epochs, initial_epoch, steps_per_epoch)")
def _(cell):
    counted = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: counted.append(1))
    history = cell.fit(epochs=3, initial_epoch=1, steps_per_epoch=1, callbacks=[count])
    assert history.epoch == [1, 2]
    assert len(counted) == 2


@feature("fit(validation_split, validation_freq)")
def _(cell):
    history = cell.fit(validation_split=0.5, validation_freq=2, epochs=2).history
    assert len(history["loss"]) == 2
    assert len(history["val_loss"]) == 1


@feature("fit(validation_data, validation_steps, validation_batch_size)")
def _(cell):
    x, y = cell.subject.x, cell.subject.y
    weights = cell.weights_like([1, 0, 5, 7])
    limits = {"validation_steps": 1, "validation_batch_size": 2}
    history = cell.fit(validation_data=(x, y, weights), **limits).history
    first = cell.evaluate(
        x=x[:2], y=half(y, slice(2)), sample_weight=half(weights, slice(2)), batch_size=2
    )
    assert abs(history["val_loss"][0] - first["loss"]) < 1e-4


@feature("fit(sample_weight)")
def _(cell):
    before = cell.predict()
    history = cell.fit(sample_weight=cell.weights_like([0] * 4))
    assert history.history["loss"] == [0]
    assert_same(cell.predict(), before)


@feature("fit(class_weight)")
def _(cell):
    plain = cell.evaluate()["loss"]
    classes = 1 + max(int(np.max(labels)) for labels in keras.tree.flatten(cell.subject.y))
    model = cell.fresh(optimizer=keras.optimizers.SGD(0.0))
    model.set_weights(cell.model.get_weights())
    loss = cell.fit(model, class_weight=dict.fromkeys(range(classes), 3.0)).history["loss"][0]
    assert abs(loss - 3 * plain) < 0.3 * plain  # dropout


@feature("fit(shuffle=False, verbose=2)")
def _(cell):
    assert np.isfinite(cell.fit(shuffle=False, verbose=2).history["loss"]).all()


def _batches(cell):
    x, y = cell.subject.x, cell.subject.y
    return [(x[i : i + 2], half(y, slice(i, i + 2))) for i in (0, 2)]


@feature("fit, evaluate, predict of a PyDataset")
def _(cell):
    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return _batches(cell)[index]

    _from_data(cell, Data)


@feature("fit, evaluate, predict of a tf.data.Dataset")
def _(cell):
    import tensorflow as tf

    pairs = (cell.subject.x, cell.subject.y)
    _from_data(cell, lambda: tf.data.Dataset.from_tensor_slices(pairs).batch(2))


@feature("fit, evaluate, predict of a generator")
def _(cell):
    _from_data(cell, lambda: (batch for batch in _batches(cell)))


def _from_data(cell, make):
    assert np.isfinite(cell.fit(x=make(), y=None, batch_size=None).history["loss"]).all()
    expected, loss = cell.predict(), cell.evaluate()["loss"]
    given = cell.evaluate(x=make(), y=None, batch_size=None)["loss"]
    assert abs(given - loss) < 1e-4
    outputs = keras.tree.flatten(cell.model.predict(make(), verbose=0))
    assert_same(outputs, expected)


@feature("evaluate(sample_weight, steps, callbacks, return_dict)")
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


@feature("predict(batch_size, steps, callbacks)")
def _(cell):
    seen = []
    told = keras.callbacks.LambdaCallback()
    told.on_predict_batch_end = lambda step, logs=None: seen.append(step)
    options = {"batch_size": 2, "steps": 1, "callbacks": [told], "verbose": 0}
    outputs = keras.tree.flatten(cell.model.predict(cell.subject.x, **options))
    assert seen == [0]
    assert_same(outputs, cell.predict(x=cell.subject.x[:2]))


@feature("train_on_batch")
def _(cell):
    logs = cell.model.train_on_batch(cell.subject.x, cell.subject.y, return_dict=True)
    assert np.isfinite(logs["loss"])


@feature("test_on_batch")
def _(cell):
    logs = cell.model.test_on_batch(cell.subject.x, cell.subject.y, return_dict=True)
    assert abs(logs["loss"] - cell.evaluate()["loss"]) < 1e-4


@feature("predict_on_batch")
def _(cell):
    assert_same(keras.tree.flatten(cell.model.predict_on_batch(cell.subject.x)), cell.predict())


# Callbacks.


@feature("CSVLogger, TensorBoard, TerminateOnNaN, LambdaCallback")
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


@feature("EarlyStopping(restore_best_weights), a callback that stops")
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


@feature("ModelCheckpoint")
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


@feature("ReduceLROnPlateau, LearningRateScheduler")
def _(cell):
    model = cell.model
    model.optimizer.learning_rate = 0.01
    callbacks = keras.callbacks
    plateau = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    cell.fit(epochs=2, callbacks=[plateau])
    assert abs(float(model.optimizer.learning_rate) - 0.005) < 1e-6
    cell.fit(callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: 0.02)])
    assert abs(float(model.optimizer.learning_rate) - 0.02) < 1e-6


@feature("BackupAndRestore")
def _(cell):
    class Interrupted(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    folder = cell.folder / "backup"
    try:
        cell.fit(epochs=3, callbacks=[keras.callbacks.BackupAndRestore(folder), Interrupted()])
    except KeyboardInterrupt:
        pass
    history = cell.fit(epochs=3, callbacks=[keras.callbacks.BackupAndRestore(folder)])
    assert history.epoch == [1, 2]


@feature("SwapEMAWeights")
def _(cell):
    model = cell.fresh(optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    cell.fit(model, callbacks=[swap], validation_data=(cell.subject.x, cell.subject.y))
    assert_finite(cell.predict(model))


# Arguments of compile.


@feature("compile(metrics, weighted_metrics, loss_weights)")
def _(cell):
    names = cell.subject.y.keys() if isinstance(cell.subject.y, dict) else None

    def each(value):
        return dict.fromkeys(names, value) if names else value

    model = cell.fresh(
        metrics=each(["mse"] if names and len(names) == 1 else ["accuracy"]),
        weighted_metrics=each(["mae"] if names and len(names) == 1 else ["accuracy"]),
        loss_weights=each(3.0),
    )
    model.set_weights(cell.model.get_weights())
    scores = cell.evaluate(model)
    assert abs(scores["loss"] - 3 * cell.evaluate()["loss"]) < 1e-3
    assert len(keras.tree.flatten(model.evaluate(cell.subject.x, cell.subject.y, verbose=0))) >= 3


@feature("compile(steps_per_execution), in a graph")
def _(cell):
    model = cell.fresh(steps_per_execution=2)
    model.set_weights(cell.model.get_weights())
    assert_same(cell.predict(model), cell.predict())
    assert np.isfinite(cell.fit(model).history["loss"]).all()


@feature("compile(jit_compile=True), predict")
def _(cell):
    model = cell.fresh(jit_compile=True)
    model.set_weights(cell.model.get_weights())
    assert_same(cell.predict(model), cell.predict())


# Policies.


def _policy(name, tolerance):
    @feature(f"dtype={name!r}")
    def _(cell):
        exact, model = cell.fresh(), cell.fresh(name)
        model.set_weights([keras.ops.convert_to_numpy(w) for w in exact.weights])
        assert_same(cell.predict(model), cell.predict(exact), tolerance)
        assert np.isfinite(cell.fit(model).history["loss"]).all()
        assert_finite(cell.predict(model))


for _name, _tolerance in {
    "mixed_float16": 0.1,
    "mixed_bfloat16": 0.5,
    "float16": 0.1,
    "bfloat16": 0.5,
    "float64": 1e-3,
}.items():
    _policy(_name, _tolerance)


# Saving and copying.


@feature("save and load_model, .keras")
def _(cell):
    cell.fit()
    cell.model.save(cell.folder / "model.keras")
    again = keras.saving.load_model(cell.folder / "model.keras")
    assert type(again) is type(cell.model)
    assert_same(cell.predict(again), cell.predict())
    assert again.evaluate(cell.subject.x, cell.subject.y, verbose=0) is not None
    assert int(again.optimizer.iterations) == int(cell.model.optimizer.iterations) > 0
    cell.fit(again)


@feature("save, .h5")
def _(cell):
    cell.model.save(cell.folder / "model.h5")
    again = keras.saving.load_model(cell.folder / "model.h5")
    assert_same(cell.predict(again), cell.predict())


@feature("save_weights, load_weights")
def _(cell):
    cell.model.save_weights(cell.folder / "model.weights.h5")
    fresh = cell.fresh(seed=3)
    fresh.load_weights(cell.folder / "model.weights.h5")
    assert_same(cell.predict(fresh), cell.predict())


@feature("get_weights, set_weights")
def _(cell):
    fresh = cell.fresh(seed=3)
    fresh.set_weights(cell.model.get_weights())
    assert_same(cell.predict(fresh), cell.predict())


@feature("to_json, model_from_json")
def _(cell):
    again = keras.models.model_from_json(cell.model.to_json())
    again.set_weights(cell.model.get_weights())
    assert_same(cell.predict(again), cell.predict())


@feature("get_config, from_config")
def _(cell):
    again = type(cell.model).from_config(cell.model.get_config())
    again.set_weights(cell.model.get_weights())
    assert_same(cell.predict(again), cell.predict())


def _copies(name, make):
    @feature(name)
    def _(cell):
        again = make(cell.model)
        assert again is not cell.model
        if name == "clone_model":
            again.set_weights(cell.model.get_weights())
        assert_same(cell.predict(again), cell.predict())
        assert not {id(w) for w in again.weights} & {id(w) for w in cell.model.weights}


for _name, _make in {
    "clone_model": keras.models.clone_model,
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}.items():
    _copies(_name, _make)


# Looking at a model.


@feature("summary, count_params, get_layer")
def _(cell):
    lines = []
    cell.model.summary(print_fn=lambda line, **_: lines.append(line), expand_nested=True)
    count = sum(int(np.prod(w.shape)) for w in cell.model.weights)
    assert cell.model.count_params() == count
    assert f"{count:,}" in "\n".join(lines)
    for layer in cell.model.layers:
        assert cell.model.get_layer(layer.name) is layer


@feature("trainable, trainable_variables")
def _(cell):
    model = cell.fresh()
    count = len(model.trainable_variables)
    assert count == len(model.trainable_weights)
    assert count + len(model.non_trainable_variables) == len(model.variables)
    model.trainable = False
    assert not model.trainable_variables
    model.trainable = True
    assert len(model.trainable_variables) == count


# Quantization and adapters.


def _quantized(mode, tolerance):
    @feature(f"quantize({mode!r})")
    def _(cell):
        model = cell.fresh()
        before = cell.predict(model)
        model.quantize(mode)
        after = cell.predict(model)
        scale = max(np.abs(array).max() for array in before)
        assert_same(after, before, tolerance * scale)
        model.save(cell.folder / "model.keras")
        again = keras.saving.load_model(cell.folder / "model.keras")
        assert_same(cell.predict(again), after, 1e-4 * scale)


for _name, _tolerance in {"int8": 0.1, "int4": 0.9, "float8": 0.3}.items():
    _quantized(_name, _tolerance)


@feature("enable_lora")
def _(cell):
    model = cell.fresh()
    before = cell.predict(model)
    adapted = 0
    for layer in model._flatten_layers():
        if hasattr(layer, "enable_lora") and layer.built and not getattr(layer, "lora_enabled", 0):
            layer.enable_lora(2)
            layer.lora_kernel_b if hasattr(layer, "lora_kernel_b") else layer.lora_embeddings_b
            adapted += 1
    assert adapted
    assert_same(cell.predict(model), before)
    model.compile(keras.optimizers.SGD(0.5), cell.subject.loss())
    cell.fit(model)
    assert any(np.abs(a - b).max() > 1e-6 for a, b in zip(cell.predict(model), before, strict=True))
