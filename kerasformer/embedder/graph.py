"""A model as one graph for all shapes, on TensorFlow's CPU kernels with prepared weights."""

import functools

import keras
import numpy as np

from kerasformer.layers.kernels import use_kernels
from kerasformer.models.onednn import has_gpu, inference_kernels

HALF = ("bfloat16", "float16")
# Preparing the weights takes as long as the gain for some ten thousand tokens. What came before
# does not count: a job that is resumed has to compute as one that was not interrupted.
_WORTH_TOKENS = 2**15
_MOST_BYTES = 2**30  # a graph with its constants is a protocol buffer, of at most 2 GiB


class Graph:
    """A `Features` model as a function of arrays.

    It is traced once for all shapes: `keras.Model.predict_on_batch` traces anew for the first few,
    and every trace of a large encoder takes seconds.

    In bfloat16 and float16 much of the time goes into laying out the weights for the matrix units,
    at every call. oneDNN keeps its layout of weights that are constants, so larger work goes
    through another graph with the weights as constants, made anew when they have changed.

    Args:
        model: A `Features`.
    """

    def __init__(self, model):
        self._model = model
        self._live = _traced(model)
        self._frozen, self._frozen_weights = None, None

    def for_tokens(self, count):
        """The function for some work.

        Args:
            count: How many tokens it is.

        Returns:
            A function from the dict of int32 arrays `[batch, seq]` to the output as an array.
        """
        if count < _WORTH_TOKENS or not self._can_freeze:
            return functools.partial(_call, self._live)
        weights = _fingerprint(self._matrices)
        if self._frozen is None or weights != self._frozen_weights:
            self._frozen, self._frozen_weights = _traced(self._model, self._matrices), weights
        return functools.partial(_call, self._frozen)

    @property
    def _can_freeze(self):
        return (
            self._model.encoder.compute_dtype in HALF
            and sum(4 * np.prod(weight.shape) for weight in self._matrices) < _MOST_BYTES
            and not has_gpu()
        )

    @property
    def _matrices(self):
        """The weights but for the tables, of which a batch takes a few rows as they are."""
        tables = {id(weight) for weight in self._model.encoder.embedding.weights}
        return [weight for weight in self._model.weights if id(weight) not in tables]


class PerShape:
    """As `Graph`, on backends that compile each shape anew.

    Args:
        model: A `Features`.
    """

    def __init__(self, model):
        self._model = model

    def for_tokens(self, count):
        """See `Graph`."""
        return self._model.predict_on_batch


def compiled(model):
    """The `Graph` of a model, or what the backend has in its place."""
    return Graph(model) if keras.backend.backend() == "tensorflow" else PerShape(model)


def _traced(model, frozen=()):
    """The graph of a model, some of whose weights are constants in it."""
    import tensorflow as tf

    signature = {name: tf.TensorSpec([None, None], tf.int32, name) for name in model.taken}
    values = [(weight, keras.ops.convert_to_numpy(weight)) for weight in frozen]

    def run(inputs):
        constants = [(weight, tf.constant(value)) for weight, value in values]
        with keras.StatelessScope(constants), use_kernels(inference_kernels()):
            return model(inputs, training=False)

    return tf.function(run, [signature], autograph=False).get_concrete_function()


def _call(graph, inputs):
    return graph(inputs).numpy()


def _fingerprint(weights):
    """A sum over the bits of each weight, which any training step changes: 10 ms for 100 MB."""
    import tensorflow as tf

    sums = []
    for weight in weights:
        value = tf.convert_to_tensor(weight.value)
        bits = {4: tf.int32, 2: tf.int16}[value.dtype.size]
        sums.append(int(tf.reduce_sum(tf.bitcast(value, bits))))
    return sums
