"""A model as one graph for all shapes, on TensorFlow's CPU kernels with prepared weights."""

import functools
from collections.abc import Callable

import keras
import numpy as np

from kerasformer.embedder.features import FeatureExtractor
from kerasformer.hardware import has_gpu, has_quick_bfloat16
from kerasformer.layers.kernels import use_kernels
from kerasformer.models.onednn import inference_kernels

_HALF = ("bfloat16", "float16")
# Preparing the weights takes as long as is gained on some ten thousand tokens. Earlier calls do not
# count: a resumed job has to compute as one that was not interrupted.
_WORTH_TOKENS = 2**15
_MOST_BYTES = 2**30  # a graph with its constants is a protocol buffer, of at most 2 GiB


def multiplies_in_half(dtype: str) -> bool:
    """Whether the matrix products of larger jobs in this dtype are in half precision."""
    is_here = keras.backend.backend() == "tensorflow" and not has_gpu()
    is_slow = is_here and dtype == "bfloat16" and not has_quick_bfloat16()
    return dtype in _HALF and not is_slow


class TracedModel:
    """A `FeatureExtractor` as a function of arrays.

    It is traced once for all shapes: `keras.Model.predict_on_batch` traces anew for the first few,
    and every trace of a large encoder takes seconds.

    In bfloat16 and float16 larger jobs run in another graph, made anew when the weights have
    changed. Otherwise every call would lay out the weights for the matrix units again, while oneDNN
    keeps its layout of weights that are constants. And where the processor multiplies bfloat16 more
    slowly than float32, that graph computes in float32.

    Args:
        model: The model.
    """

    def __init__(self, model: FeatureExtractor):
        self._model = model
        self._live = _traced(model)
        self._prepared, self._prepared_weights = None, None

    def for_tokens(self, count: int) -> Callable:
        """The function of int32 arrays `[batch, seq]`, a dict, for a job of so many tokens."""
        dtype = self._model.encoder.compute_dtype
        if count < _WORTH_TOKENS or dtype not in _HALF or has_gpu():
            return functools.partial(_call, self._live)
        if not multiplies_in_half(dtype):
            return self._prepare(self._model.weights, lambda: _in_float32(self._model))
        matrices = self._matrices
        if sum(4 * np.prod(weight.shape) for weight in matrices) < _MOST_BYTES:
            return self._prepare(matrices, lambda: _traced(self._model, matrices))
        return functools.partial(_call, self._live)

    def _prepare(self, weights, trace):
        """The function of the graph that `trace` makes, which holds the weights as they are now."""
        now = _fingerprint(weights)
        if self._prepared is None or now != self._prepared_weights:
            self._prepared, self._prepared_weights = trace(), now
        return functools.partial(_call, self._prepared)

    @property
    def _matrices(self):
        """The weights but for the tables, of which a batch takes a few rows as they are."""
        tables = {id(weight) for weight in self._model.encoder.embedding.weights}
        return [weight for weight in self._model.weights if id(weight) not in tables]


class KerasModel:
    """As `TracedModel`, on backends that compile each shape anew."""

    def __init__(self, model: FeatureExtractor):
        self._model = model

    def for_tokens(self, count: int) -> Callable:
        """See `TracedModel`."""
        return self._model.predict_on_batch


def compiled(model: FeatureExtractor) -> TracedModel | KerasModel:
    """The model as a function of arrays, the fastest way on this backend."""
    return TracedModel(model) if keras.backend.backend() == "tensorflow" else KerasModel(model)


def _traced(model, frozen=()):
    """The graph of a model, some of whose weights are constants in it."""
    import tensorflow as tf

    signature = {name: tf.TensorSpec([None, None], tf.int32, name) for name in model.input_names}
    values = [(weight, keras.ops.convert_to_numpy(weight)) for weight in frozen]

    def run(inputs):
        constants = [(weight, tf.constant(value)) for weight, value in values]
        with keras.StatelessScope(constants), use_kernels(inference_kernels()):
            return model(inputs, training=False)

    return tf.function(run, [signature], autograph=False).get_concrete_function()


def _in_float32(model):
    """The graph of a model's copy that computes in float32, with the same weights."""
    encoder = model.encoder
    config = {**encoder.get_config(), "dtype": "float32"}
    config["config"] = {**config["config"], "initializer_range": 0.0}  # nothing is drawn
    copy = type(encoder).from_config(config)
    for ours, theirs in zip(copy.weights, encoder.weights, strict=True):
        ours.assign(keras.ops.cast(theirs, "float32"))
    return _traced(type(model)(copy, model.layer_pooling, model.poolings, model.cls_position))


def _call(graph, inputs):
    return graph(inputs).numpy()


def _fingerprint(weights):
    """A number of each weight's bits, which any training step changes: 50 ms for 100 MB.

    The sum of its rows, each of them times its place, so that another order is seen too.
    """
    import tensorflow as tf

    sums = []
    for weight in weights:
        value = tf.convert_to_tensor(weight.value)
        bits = {4: tf.int32, 2: tf.int16}[value.dtype.size]
        matrix = tf.reshape(tf.bitcast(value, bits), [-1, *value.shape[-1:]])
        rows = tf.reduce_sum(matrix, axis=-1).numpy().astype(np.int64).ravel()
        sums.append(int(rows @ np.arange(1, len(rows) + 1)))
    return sums
