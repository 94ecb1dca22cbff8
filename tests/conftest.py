"""What the tests share: one backend's tests, the dtype policy, gradients on any backend."""

import numpy as np
import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "backend(name): runs on this Keras backend only")


def pytest_runtest_setup(item):
    marker = item.get_closest_marker("backend")
    if marker:
        import keras

        if keras.backend.backend() != marker.args[0]:
            pytest.skip(f"for the {marker.args[0]} backend")


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def set_dtype_policy():
    """`keras.config.set_dtype_policy`, undone after the test."""
    import keras

    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.fixture
def gradients():
    """A function: the gradient of `mean(direction * model(inputs))`, by the weights' paths.

    It is what one step of plain gradient descent takes away, which works on every backend. Under
    mixed precision the loss is not scaled, or Keras would skip a step that is not finite.
    """
    import keras

    def gradients(model, inputs, direction):
        model.compile(
            optimizer=keras.optimizers.SGD(1.0),
            loss=lambda y, prediction: keras.ops.mean(y * prediction),
            auto_scale_loss=False,
            run_eagerly=True,
        )
        model(inputs)
        before = [np.array(w.value, "float64") for w in model.trainable_weights]
        model.train_on_batch(inputs, direction)
        return {
            weight.path: old - np.array(weight.value, "float64")
            for weight, old in zip(model.trainable_weights, before, strict=True)
        }

    return gradients
