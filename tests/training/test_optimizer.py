"""The optimizer and its schedule against Keras' own and transformers' definition."""

import keras
import numpy as np
import pytest

from kerasformer.training import AdamW, Recipe, WarmupLinearDecay, adamw

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the fused kernel is TensorFlow's"
)


def small_model(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.layers.Embedding(50, 8),
            keras.layers.LayerNormalization(),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(3),
        ]
    )


def train(optimizer, steps=12):
    model = small_model(0)
    rng = np.random.default_rng(1)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(steps):
        # Sorted ids without repetition: Keras' own global norm is that of the dense gradient.
        ids = rng.permutation(50)[:40].reshape(4, 10)
        model.train_on_batch(ids, rng.integers(0, 3, 4))
    return [np.asarray(w.value) for w in model.weights]


@pytest.mark.parametrize("clip", [None, 0.05, 1e3])
def test_the_update_equals_that_of_keras(clip):
    options = {"weight_decay": 0.1, "global_clipnorm": clip, "epsilon": 1e-8}
    for ours, theirs in zip(
        train(AdamW(0.01, **options)), train(keras.optimizers.AdamW(0.01, **options)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


@on_tensorflow
def test_a_token_that_occurs_twice_counts_once_in_the_global_norm():
    import tensorflow as tf

    optimizer = AdamW(0.01, global_clipnorm=1.0)
    values = tf.constant([[3.0], [4.0], [0.0]])
    slices = tf.IndexedSlices(values, tf.constant([7, 7, 2]), tf.constant([10, 1]))
    (clipped,) = optimizer.clip_gradients([slices])
    dense = tf.convert_to_tensor(clipped).numpy().ravel()
    # The dense gradient of row 7 is 7, so its norm is 7 and not 5.
    np.testing.assert_allclose(dense[[2, 7]], [0.0, 1.0], rtol=1e-6)


@on_tensorflow
def test_dense_moments_decay_where_a_token_does_not_occur():
    """Not a lazy Adam: a row without gradient still moves, as in PyTorch."""
    model = small_model(0)
    model.compile(AdamW(0.01, weight_decay=0.0), "mse")
    model.train_on_batch(np.array([[1, 2]]), np.zeros((1, 3)))
    before = np.array(model.layers[0].embeddings)
    model.train_on_batch(np.array([[3, 4]]), np.zeros((1, 3)))
    moved = np.abs(np.array(model.layers[0].embeddings) - before).sum(axis=-1)
    assert (moved[[1, 2, 3, 4]] > 0).all()
    assert (moved[5:] == 0).all()


def test_the_schedule_is_that_of_transformers():
    """`get_linear_schedule_with_warmup`'s factor, written out."""
    schedule = WarmupLinearDecay(peak=2.0, total_steps=30, warmup_steps=7)
    for step in range(35):
        warm = step / 7 if step < 7 else max(0.0, (30 - step) / (30 - 7))
        assert float(schedule(step)) == pytest.approx(2.0 * warm, abs=1e-6)


@pytest.mark.parametrize("steps", [(0, 0), (10, 11), (10, -1)])
def test_impossible_schedules_are_refused(steps):
    with pytest.raises(ValueError, match="0 <= warmup_steps <= total_steps"):
        WarmupLinearDecay(1.0, *steps)


def test_biases_and_layer_norms_do_not_decay():
    model = small_model(0)
    model.build((None, 4))
    optimizer = adamw(0.0, total_steps=10)
    optimizer.build(model.trainable_variables)
    decayed = {v.path for v in model.trainable_variables if optimizer.has_weight_decay(v)}
    assert {path.rsplit("/", 1)[-1] for path in decayed} == {"embeddings", "kernel"}


def test_the_optimizer_comes_back_from_its_config():
    optimizer = adamw(5e-5, total_steps=100, clip_norm=0.5)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(copy) is AdamW
    assert copy.get_config() == optimizer.get_config()


def test_a_recipe_changes_only_what_is_given():
    assert Recipe().change(epochs=7, batch_size=None) == Recipe(epochs=7)


OPTIONS = {
    "defaults": {},
    "amsgrad": {"amsgrad": True},
    "EMA": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
    "norm of each": {"clipnorm": 0.01},
    "value": {"clipvalue": 0.001},
    "global norm": {"global_clipnorm": 0.01},
    "accumulation": {"gradient_accumulation_steps": 3},
    "loss scale": {"loss_scale_factor": 64.0},
    "betas": {"beta_1": 0.5, "beta_2": 0.7, "epsilon": 1e-3},
    "no decay": {"weight_decay": 0.0},
    "schedule": {"learning_rate": WarmupLinearDecay(0.01, 20, 3)},
}


def apply_steps(optimizer, wrap=lambda optimizer: optimizer, compiled=False):
    """The weights after steps along gradients that are the same for every optimizer."""
    rng = np.random.default_rng(3)
    variables = [keras.Variable(rng.normal(size=s).astype("float32")) for s in [(7, 5), (5,)]]
    optimizer = wrap(optimizer)
    optimizer.build(variables)

    def step(gradients):
        optimizer.apply(gradients, variables)

    if compiled and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(
            lambda gradients: optimizer.apply(gradients, variables), jit_compile=compiled == "XLA"
        )
    for _ in range(9):
        gradients = [rng.normal(size=v.shape).astype("float32") for v in variables]
        step([keras.ops.convert_to_tensor(g) for g in gradients])
    optimizer.finalize_variable_values(variables)
    return [keras.ops.convert_to_numpy(v) for v in variables]


def assert_equal_steps(options, *args):
    options = {"learning_rate": 0.01, **options}
    ours = apply_steps(AdamW(**options), *args)
    theirs = apply_steps(keras.optimizers.AdamW(**options), *args)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@on_tensorflow
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_option_is_that_of_keras(options):
    assert_equal_steps(options)


@on_tensorflow
def test_loss_scaling_is_that_of_keras():
    def wrap(optimizer):
        return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)

    assert_equal_steps({}, wrap)


@on_tensorflow
@pytest.mark.parametrize("compiled", ["graph", "XLA"])
def test_compiled_steps_are_those_of_keras(compiled):
    assert_equal_steps({"global_clipnorm": 0.5}, lambda optimizer: optimizer, compiled)


@on_tensorflow
def test_a_token_that_occurs_twice_is_updated_by_its_summed_gradient():
    """Keras squares the gradient of each occurrence: there the table moves otherwise."""
    import tensorflow as tf

    rng = np.random.default_rng(5)
    start, rows = rng.normal(size=(6, 3)).astype("float32"), [4, 1, 4, 4]

    def moved(optimizer, dense):
        table = keras.Variable(start)
        optimizer.build([table])
        for seed in range(4):
            values = np.random.default_rng(seed).normal(size=(4, 3)).astype("float32")
            gradient = tf.IndexedSlices(values, rows, start.shape)
            gradient = tf.convert_to_tensor(gradient) if dense else gradient
            optimizer.apply([gradient], [table])
        return table.numpy()

    expected = moved(keras.optimizers.AdamW(0.01), dense=True)
    np.testing.assert_allclose(moved(AdamW(0.01), dense=False), expected, atol=1e-6)
    np.testing.assert_allclose(moved(AdamW(0.01), dense=True), expected, atol=1e-6)
    assert np.abs(moved(keras.optimizers.AdamW(0.01), dense=False) - expected).max() > 1e-3
