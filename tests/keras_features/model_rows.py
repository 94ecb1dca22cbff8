"""The rows of what is done to a model beside training: policies, saving, copying, looking, LoRA."""

import copy
import pickle

import keras
import numpy as np

from kerasformer.private_api import all_layers

from .cell import assert_finite, assert_same, row
from .subjects import ALL, CLASSES

# Policies.


def _policy(name, tolerance):
    @row(f"dtype={name!r}", ALL)
    def _(cell):
        model = cell.fresh(name)
        model.set_weights([keras.ops.convert_to_numpy(w) for w in cell.model.weights])
        assert_same(cell.predict(model), cell.predict(), tolerance)
        logs = model.train_on_batch(cell.subject.x, cell.subject.y, return_dict=True)
        assert np.isfinite(logs["loss"])
        trained = cell.predict(model)
        assert_finite(trained)
        model.save(cell.folder / "model.keras")
        again = keras.saving.load_model(cell.folder / "model.keras")
        assert [w.dtype for w in again.weights] == [w.dtype for w in model.weights]
        assert_same(cell.predict(again), trained)


for _name, _tolerance in {
    "mixed_float16": 0.1,
    "mixed_bfloat16": 0.5,
    "float16": 0.1,
    "bfloat16": 0.5,
    "float64": 1e-3,
}.items():
    _policy(_name, _tolerance)


# Saving and copying.


@row("save and load_model, .keras", ALL)
def _(cell):
    cell.fit()
    cell.model.save(cell.folder / "model.keras")
    again = keras.saving.load_model(cell.folder / "model.keras")
    assert type(again) is type(cell.model)
    assert_same(cell.predict(again), cell.predict())
    assert again.evaluate(cell.subject.x, cell.subject.y, verbose=0) is not None
    assert int(again.optimizer.iterations) == int(cell.model.optimizer.iterations) > 0
    cell.fit(again)


@row("save, .h5", CLASSES)
def _(cell):
    cell.model.save(cell.folder / "model.h5")
    again = keras.saving.load_model(cell.folder / "model.h5")
    assert_same(cell.predict(again), cell.predict())


@row("save_weights, load_weights", CLASSES)
def _(cell):
    cell.model.save_weights(cell.folder / "model.weights.h5")
    fresh = cell.fresh(seed=3)
    fresh.load_weights(cell.folder / "model.weights.h5")
    assert_same(cell.predict(fresh), cell.predict())


@row("get_weights, set_weights", CLASSES)
def _(cell):
    fresh = cell.fresh(seed=3)
    fresh.set_weights(cell.model.get_weights())
    assert_same(cell.predict(fresh), cell.predict())


@row("to_json, model_from_json", CLASSES)
def _(cell):
    again = keras.models.model_from_json(cell.model.to_json())
    again.set_weights(cell.model.get_weights())
    assert_same(cell.predict(again), cell.predict())


@row("get_config, from_config", CLASSES)
def _(cell):
    again = type(cell.model).from_config(cell.model.get_config())
    again.set_weights(cell.model.get_weights())
    assert_same(cell.predict(again), cell.predict())


def _copies(name, make):
    @row(name, ALL)
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


@row("summary(expand_nested), count_params, get_layer", CLASSES)
def _(cell):
    lines, model = [], cell.model
    options = {"expand_nested": True, "show_trainable": True}
    model.summary(print_fn=lambda line, **_: lines.append(line), **options)
    shown, total = "\n".join(lines), 0
    for kind, weights in {
        "Trainable": model.trainable_weights,
        "Non-trainable": model.non_trainable_weights,
    }.items():
        count = sum(int(np.prod(w.shape)) for w in weights)
        assert f" {kind} params: {count:,} " in shown
        total += count
    assert model.count_params() == total
    for layer in model.layers:
        assert model.get_layer(layer.name) is layer


@row("trainable, trainable_variables", CLASSES)
def _(cell):
    model = cell.fresh()
    count = len(model.trainable_variables)
    assert count == len(model.trainable_weights)
    assert count + len(model.non_trainable_variables) == len(model.variables)
    model.trainable = False
    assert not model.trainable_variables
    model.trainable = True
    assert len(model.trainable_variables) == count


# Adapters.


@row("enable_lora", CLASSES)
def _(cell):
    model = cell.fresh()
    before = cell.predict(model)
    adapted = 0
    for layer in all_layers(model):
        if hasattr(layer, "enable_lora") and layer.built and not getattr(layer, "lora_enabled", 0):
            layer.enable_lora(2)
            adapted += 1
    assert adapted
    assert_same(cell.predict(model), before)
    model.compile(keras.optimizers.SGD(0.5), cell.subject.loss())
    cell.fit(model)
    assert any(np.abs(a - b).max() > 1e-6 for a, b in zip(cell.predict(model), before, strict=True))
