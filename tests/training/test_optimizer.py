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
