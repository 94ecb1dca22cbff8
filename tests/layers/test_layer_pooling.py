"""LayerPooling against numpy, and the whole contract of a layer that takes a list."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from kerasformer.layers import NAMED_LAYERS, LayerPooling

STATES = list(np.random.default_rng(4).normal(size=(6, 2, 3, 4)).astype("float32"))


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


EXPECTED = {
    ("last", None): STATES[5],
    ("second_to_last", None): STATES[4],
    ("embeddings", None): STATES[0],
    ("mean_first_last", None): (STATES[1] + STATES[5]) / 2,
    ("sum_last_four", None): sum(STATES[2:]),
    ("mean_last_four", None): np.mean(STATES[2:], axis=0),
    ("concat_last_four", None): np.concatenate(STATES[2:], axis=-1),
    ("sum_all", None): sum(STATES[1:]),
    ("mean_all", None): np.mean(STATES[1:], axis=0),
    ("all", None): np.mean(STATES, axis=0),
    ("all", "stack"): np.stack(STATES, axis=2),
    ("all", "last"): STATES[5],
    ((0, -2), "concat"): np.concatenate([STATES[0], STATES[4]], axis=-1),
    ((-1, 0), "concat"): np.concatenate([STATES[5], STATES[0]], axis=-1),
    ((3,), "stack"): STATES[3][:, :, None],
    (-6, None): STATES[0],
    (2, "sum"): STATES[2],
    ((1, 1), "sum"): 2 * STATES[1],
    ((2, 4), "scalar_mix"): (STATES[2] + STATES[4]) / 2,
    (4, "scalar_mix"): STATES[4],
}
assert NAMED_LAYERS.keys() <= {layers for layers, _ in EXPECTED}


@pytest.mark.parametrize(("layers", "combine"), EXPECTED, ids=str)
def test_equals_numpy(layers, combine):
    layer, expected = LayerPooling(layers, combine), EXPECTED[layers, combine]
    output = layer(STATES)
    np.testing.assert_allclose(array(output), expected, atol=1e-6)
    shapes = [state.shape for state in STATES]
    assert tuple(layer.compute_output_shape(shapes)) == expected.shape
    symbolic = layer([keras.KerasTensor((None, None, 4)) for _ in STATES])
    assert symbolic.shape == (None, None, *expected.shape[2:])
    again = LayerPooling.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(array(again(STATES)), array(output))


def test_pooled_vectors():
    pooled = [state[:, 0] for state in STATES]
    np.testing.assert_array_equal(array(LayerPooling("all", "stack")(pooled)), np.stack(pooled, 1))


def test_the_weights_of_a_scalar_mix():
    layer = LayerPooling((0, 3, 5), "scalar_mix")
    layer.build([state.shape for state in STATES])
    assert [w.path.split("/")[-1] for w in layer.trainable_weights] == ["mix", "scale"]
    layer.set_weights([np.array([0.5, -1.0, 2.0]), np.array(3.0)])
    share = np.exp([0.5, -1.0, 2.0]) / np.exp([0.5, -1.0, 2.0]).sum()
    expected = 3 * sum(s * STATES[i] for s, i in zip(share, (0, 3, 5), strict=True))
    np.testing.assert_allclose(array(layer(STATES)), expected, rtol=1e-5)


def test_a_scalar_mix_trains_and_finds_the_layer(gradients):
    inputs = [keras.Input((None, 4)) for _ in STATES]
    model = keras.Model(inputs, LayerPooling("all", "scalar_mix", name="pool")(inputs))
    steps = gradients(model, STATES, np.sign(STATES[2]))
    assert {path.split("/")[-1] for path in steps} == {"mix", "scale"}
    (mix,) = (step for path, step in steps.items() if path.endswith("mix"))
    assert mix.argmax() == 2  # more of layer 2 moves along the direction most
    assert abs(mix.sum()) < 1e-6


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("combine", LayerPooling.COMBINATIONS)
def test_dtype_policies(policy, combine):
    layer = LayerPooling([1, 2, 5], combine, dtype=policy)
    output = layer(STATES)
    assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
    assert {w.dtype for w in layer.weights} <= {"float32"}
    exact = LayerPooling([1, 2, 5], combine)(STATES)
    np.testing.assert_allclose(array(output), array(exact), atol=0.05)


def test_the_implicit_mask_goes_on():
    x = keras.layers.Embedding(9, 4, mask_zero=True)(np.array([[3, 4, 0]]))
    plain = keras.layers.Dense(4)(array(x))
    for states in ([x, plain], [plain, x]):
        mask = LayerPooling("all")(states)._keras_mask
        np.testing.assert_array_equal(array(mask), [[1, 1, 0]])


@pytest.mark.parametrize("combine", ["concat", "scalar_mix"])
def test_saved_and_reloaded(combine, tmp_path):
    inputs = [keras.Input((None, 4)) for _ in STATES]
    pooled = LayerPooling([-1, -2], combine, name="pool")
    model = keras.Model(inputs, pooled(inputs))
    for weight in pooled.weights:
        weight.assign(np.arange(1.0, 1.0 + np.prod(weight.shape)).reshape(weight.shape))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.get_layer("pool")) is LayerPooling
    np.testing.assert_array_equal(array(again(STATES)), array(model(STATES)))


def test_compiled_by_xla():
    inputs = [keras.Input((None, 4)) for _ in STATES]
    outputs = [LayerPooling([1, 3, 5], combine)(inputs) for combine in LayerPooling.COMBINATIONS]
    model = keras.Model(inputs, outputs)
    model.compile(jit_compile=True)
    for ours, eager in zip(model.predict_on_batch(STATES), model(STATES), strict=True):
        np.testing.assert_allclose(ours, array(eager), atol=1e-6)


def test_the_config_is_whole():
    constructor = inspect.signature(LayerPooling.__init__).parameters.keys() - {"self", "kwargs"}
    assert constructor <= LayerPooling(name="given").get_config().keys()


def test_the_config_of_an_older_version():
    config = LayerPooling([0, 2], "sum", name="given").get_config()
    older = {"mode" if key == "combine" else key: value for key, value in config.items()}
    again = LayerPooling.from_config(older)
    assert again.get_config() == config
    assert "mode" in older  # the config given is left as it was


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": "lasst"}, "layers='lasst' is not one of 'all', 'last'"),
        ({"layers": []}, "is neither a name, nor an index, nor a list"),
        ({"layers": [1.5]}, "is neither a name, nor an index, nor a list"),
        ({"layers": True}, "is neither a name, nor an index, nor a list"),
        ({"layers": None}, "is neither a name, nor an index, nor a list"),
        ({"layers": [1, 2], "combine": "median"}, "combine='median' is not one of 'last', 'sum'"),
        ({"layers": "sum_all", "combine": "mean"}, "is combined by 'sum', not by 'mean'"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LayerPooling(**arguments)


@pytest.mark.parametrize(
    ("layers", "states", "message"),
    [
        ([6], STATES, "out of reach: there are 6 hidden states"),
        ([-7], STATES, "out of reach"),
        ("sum_last_four", STATES[:4], "out of reach: there are 4 hidden states"),
        ("last", STATES[0], "takes a list of hidden states"),
        ("last", [STATES[0], STATES[0][..., :2]], "takes hidden states of one shape"),
    ],
    ids=["beyond", "before", "three blocks", "one tensor", "shapes"],
)
def test_inputs_that_do_not_fit(layers, states, message):
    with pytest.raises(ValueError, match=message):
        LayerPooling(layers)(states)
