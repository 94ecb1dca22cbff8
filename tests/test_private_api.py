"""Each private name of Keras and TensorFlow that is used: which one has a release broken?"""

import importlib.util
import inspect
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasformer import private_api

tensorflow_only = pytest.mark.backend("tensorflow")


@pytest.mark.parametrize("name", private_api.OPTIONAL_KERAS_MODULES)
def test_optional_keras_modules(name):
    assert importlib.util.find_spec(name)


def test_in_safe_mode(tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class Asks(keras.layers.Layer):
        @classmethod
        def from_config(cls, config):
            answers.append(private_api.in_safe_mode())
            return cls(**config)

    answers = []
    keras.Sequential([keras.Input((1,)), Asks()]).save(tmp_path / "model.keras")
    assert private_api.in_safe_mode() is None
    for safe_mode in (True, False):
        keras.saving.load_model(tmp_path / "model.keras", safe_mode=safe_mode)
        assert answers.pop() is safe_mode


def test_output_tensors():
    layer, x = keras.layers.Dense(2), keras.Input((1,))
    assert private_api.output_tensors(layer) == []
    outputs = [layer(x), layer(x)]
    assert [id(tensor) for (tensor,) in private_api.output_tensors(layer)] == list(map(id, outputs))


def test_weights_as_h5(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    (tmp_path / "ours.weights.h5").write_bytes(private_api.weights_as_h5(model))
    other = keras.models.clone_model(model)
    other.load_weights(tmp_path / "ours.weights.h5")
    for one, another in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, another)


def test_set_initializer():
    with keras.StatelessScope():
        variable = keras.Variable(keras.initializers.Zeros(), shape=(2,))
        private_api.set_initializer(variable, lambda shape, dtype: keras.ops.ones(shape, dtype) * 7)
    assert variable.numpy().tolist() == [7, 7]


def test_optimizer_with_hooks():
    class Recorded(private_api.optimizer_with_hooks(keras.optimizers.AdamW)):
        def clip_gradients(self, gradients):
            calls.append("clip")
            return super().clip_gradients(gradients)

        def apply_weight_decay(self, variables):
            calls.append("decay")
            super().apply_weight_decay(variables)

    calls, results = [], []
    for kind in (keras.optimizers.AdamW, Recorded):
        optimizer = kind(0.1, weight_decay=0.5, clipnorm=1.0)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        kernel, bias = variables = [keras.Variable([1.0, 2.0], name=n) for n in ("kernel", "bias")]
        optimizer.build(variables)
        optimizer.apply([keras.ops.ones((2,)) * 3, keras.ops.ones((2,))])
        results.append([keras.ops.convert_to_numpy(v).tolist() for v in variables])
    assert results[0] == results[1]
    assert sorted(calls) == ["clip", "decay"]
    assert optimizer.has_weight_decay(kernel)
    assert not optimizer.has_weight_decay(bias)
    assert [moment.path.split("/")[-1] for moment in optimizer.moments(bias)] == [
        *("bias_momentum", "bias_velocity"),
    ]
    if keras.backend.backend() == "tensorflow":  # of which Keras' own is still called
        assert "_all_reduce_sum_gradients" in Recorded._backend_update_step.__code__.co_names


@tensorflow_only
def test_unknown_variables():
    one, other = (keras.Variable([1.0]) for _ in range(2))
    for optimizer in (
        keras.optimizers.SGD(),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
    ):
        assert private_api.unknown_variables(optimizer, [one, other]) == []
        optimizer.build([one])
        assert private_api.unknown_variables(optimizer, [one, other]) == [other]
    assert private_api.unknown_variables(None, [one]) == []


def test_has_onednn():
    pytest.importorskip("tensorflow")
    # The ImportError that `has_onednn` lives with would hide that the name is gone.
    from tensorflow.python.util import _pywrap_util_port

    assert private_api.has_onednn() == _pywrap_util_port.IsMklEnabled()


@tensorflow_only
def test_uncopied_array():
    import tensorflow as tf

    tensor = tf.zeros((3, 2))
    array = private_api.uncopied_array(tensor)
    array[1, 1] = 5
    assert array.flags.writeable
    assert tensor[1, 1] == 5
    assert np.shares_memory(array, private_api.uncopied_array(tensor))


def test_before_first_look_up(monkeypatch):
    from keras.src.saving import object_registration

    calls = []
    name = "GLOBAL_CUSTOM_OBJECTS"
    monkeypatch.setattr(object_registration, name, dict(object_registration.GLOBAL_CUSTOM_OBJECTS))
    private_api.before_first_look_up(lambda: calls.append(keras.saving.get_registered_object("x")))
    keras.saving.register_keras_serializable(package="tests")(keras.layers.Layer)
    assert not calls
    for _ in range(2):
        assert keras.saving.get_registered_object("tests>Layer") is keras.layers.Layer
    assert calls == [None]


def test_all_layers():
    inner, outer = keras.layers.Dense(2), keras.layers.Dense(1)
    model = keras.Sequential([keras.Sequential([inner]), outer])
    found = list(map(id, private_api.all_layers(model)))
    assert {id(model), id(model.layers[0]), id(inner), id(outer)} == set(found)
    assert len(found) == 4


def test_masks():
    @keras.saving.register_keras_serializable(package="tests")
    class Masks(keras.layers.Layer):
        def call(self, inputs):
            outputs = inputs + 0
            assert private_api.get_mask(outputs) is None
            private_api.set_mask(outputs, inputs[..., 0] > 0)
            return outputs

    inputs = np.array([[[1.0], [3.0], [-7.0]]], "float32")
    model = keras.Sequential([Masks(), keras.layers.GlobalAveragePooling1D()])
    assert float(model(inputs)[0, 0]) == 2
    assert private_api.get_mask(Masks()(inputs)).shape == (1, 3)


def test_remove_lora():
    layers = keras.layers.Dense(3), keras.layers.EinsumDense("ab,bcd->acd", (2, 2))
    table = keras.layers.Embedding(4, 2)
    table.build()
    for layer in layers:
        layer.build((None, 4))
    for layer in (*layers, table):
        weights = list(layer.weights)
        layer.enable_lora(1)
        private_api.remove_lora(layer)
        assert list(map(id, layer.trainable_weights)) == list(map(id, weights))
        layer.enable_lora(2)  # which Keras refuses where there is one


@tensorflow_only
def test_uneven_replicas():
    names = list(inspect.signature(keras.Model._maybe_symbolic_build).parameters)
    assert names == ["self", "iterator", "data_batch"]
    strategy = SimpleNamespace(num_replicas_in_sync=2, experimental_local_results=lambda x: x.parts)

    class Base:
        distribute_strategy, built = strategy, ()

        def _maybe_symbolic_build(self, *given):
            self.built = given

    class Model(private_api.UnevenReplicas, Base):
        pass

    model, first = Model(), np.ones((2, 3))
    batch = {"x": SimpleNamespace(parts=(first, first[:1]))}
    model._maybe_symbolic_build(iterator=iter([(0, 0, iter([batch]))]))
    assert model.built == (None, {"x": first})
    model._maybe_symbolic_build(data_batch=batch)
    assert model.built == (None, batch)


def test_compute_output_spec():
    seen, made = [], []

    def function(x, factor=1):
        seen.append(x)
        made.append(keras.Variable(keras.initializers.Constant(3.0), shape=()))
        return {"y": keras.ops.stack([x * factor] * 4, axis=1)}

    spec = private_api.compute_output_spec(function, keras.KerasTensor((2, 3), "float16"), factor=2)
    assert (spec["y"].shape, spec["y"].dtype) == ((2, 4, 3), "float16")
    assert float(made[0].numpy()) == 3.0
    with pytest.raises(Exception, match=r"(?i)numpy|trace|symbolic|graph"):
        keras.ops.convert_to_numpy(seen[0])
