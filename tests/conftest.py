"""What the tests share: one backend's tests, the dtype policy, gradients on any backend."""

import gc
import os
import signal

import numpy as np
import pytest
from hypothesis import settings

ON_JAX = os.environ.get("KERAS_BACKEND") == "jax"
# JAX compiles each operation anew for each shape, which takes far longer than running it here.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")  # nothing is left behind
if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core: more threads are in each's way
    for variable in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
settings.register_profile("layers", deadline=None, max_examples=3 if ON_JAX else 15)


def pytest_configure(config):
    # A shell's background job ignores Ctrl-C, and so would the processes that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "backend(name): runs on this Keras backend only")
    # xdist would begin with the files that have most tests, and end with the few slow ones.
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    gc.set_threshold(100_000, 10, 10)  # at its own pace the collector takes a sixth of the time


def pytest_collection_finish(session):
    gc.freeze()  # all that is imported, through which Keras looks for garbage at times


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


def _without_graphs():
    """TensorFlow's functions run without a graph: making one takes longer than a few tiny steps."""
    if ON_JAX:
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


eager = pytest.fixture(_without_graphs, name="eager")
# The same for all tests of a file, beside fixtures that they share.
without_graphs = pytest.fixture(_without_graphs, scope="module", name="without_graphs")


@pytest.fixture
def without_preprocessor(monkeypatch):
    """`export_tfhub` writes an empty preprocessor: tracing the real one takes most of its time."""
    tf = pytest.importorskip("tensorflow")
    from kerasformer.checkpoints.export import tfhub

    nothing = tf.function(lambda: {"none": tf.constant(0)}, input_signature=[])
    monkeypatch.setattr(tfhub, "_preprocessor", lambda *_: (tf.Module(), nothing))


@pytest.fixture
def gradients():
    """A function: the gradient of `mean(direction * model(inputs))`, by the weights' paths.

    It is what one step of plain gradient descent takes away, which works on every backend. Under
    mixed precision the loss is not scaled, or Keras would skip a step that is not finite. JAX
    compiles the whole step sooner than its parts, TensorFlow needs no compiling.
    """
    import keras

    def array(weight):
        return keras.ops.convert_to_numpy(weight.value).astype("float64")

    def gradients(model, inputs, direction):
        model.compile(
            optimizer=keras.optimizers.SGD(1.0),
            loss=lambda y, prediction: keras.ops.mean(y * prediction),
            auto_scale_loss=False,
            run_eagerly=not ON_JAX,
        )
        model(inputs)
        before = [array(w) for w in model.trainable_weights]
        model.train_on_batch(inputs, direction)
        return {
            weight.path: old - array(weight)
            for weight, old in zip(model.trainable_weights, before, strict=True)
        }

    return gradients
