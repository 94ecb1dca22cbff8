"""The model from token ids to vectors, as one graph for all shapes with prepared weights."""

from collections.abc import Callable, Iterable
from functools import partial

import keras
import numpy as np
from keras import ops

from kerasformer.hardware import has_gpu, has_quick_bfloat16
from kerasformer.layers import LayerPooling, SequencePooling
from kerasformer.layers.kernels import is_plain, use_kernels
from kerasformer.models import BertEncoder
from kerasformer.models.ahead import Show
from kerasformer.models.config import INPUTS
from kerasformer.models.forward import begin, compile_ahead
from kerasformer.models.model import Model
from kerasformer.models.onednn import inference_kernels
from kerasformer.models.structure import Structure
from kerasformer.private_api import all_layers
from kerasformer.sources.programs import keep_programs

_HALF = ("bfloat16", "float16")
# Preparing the weights takes as long as is gained on some ten thousand tokens. Earlier calls do not
# count: a resumed job has to compute as one that was not interrupted.
_WORTH_TOKENS = 2**15
_MOST_BYTES = 2**30  # a graph with its constants is a protocol buffer, of at most 2 GiB


class FeatureExtractor(Model):
    """An encoder, then a mix of its layers, then poolings of its tokens, concatenated, if any.

    It takes the dict of `kerasformer.text.pack`, and for poolings also `pooling_mask`, 1 where a
    token is pooled, int32 `[batch, seq]`. It returns float32 `[batch, size]`, or of tokens
    `[batch, seq, size]`, with stacked layers side by side. `cls_position` is where `"cls"` looks.
    """

    def __init__(
        self,
        encoder: BertEncoder,
        layers: LayerPooling,
        poolings: tuple[str, ...] = (),
        cls_position: int = 0,
    ):
        super().__init__(dtype="float32")
        self.encoder = encoder
        self.layer_pooling = layers
        self.poolings = poolings
        self.cls_position = cls_position
        self.pooling_layers = {
            pooling: SequencePooling(pooling, dtype="float32")
            for pooling in poolings
            if pooling not in ("cls", "pooled")
        }

    def build(self, input_shape=None):
        """The encoder has its variables already; a scalar mix may not."""
        config = self.encoder.config
        if not self.layer_pooling.built:
            state = (None, None, config.hidden_size)
            self.layer_pooling.build([state] * (config.num_layers + 1))
        for layer in self.pooling_layers.values():
            layer.built = True  # without variables
        self.built = True

    def call(self, inputs):
        """See the class."""
        tokens, pooled = self._encode({name: inputs[name] for name in INPUTS})
        if not self.poolings:
            return tokens
        mask = inputs["pooling_mask"]
        vectors = [self._pool(pooling, tokens, pooled, mask) for pooling in self.poolings]
        return ops.concatenate(vectors, axis=-1) if vectors[1:] else vectors[0]

    def _encode(self, ids):
        """The tokens' vectors, and the pooler's output where it is asked for."""
        count = self.encoder.config.num_layers + 1
        further = ["pooled_output"] if "pooled" in self.poolings else []
        mix = self.layer_pooling
        if mix.combine != "scalar_mix" and mix.indices(count) == (count - 1,):
            outputs = self.encoder(ids, outputs=["sequence_output", *further], training=False)
            tokens = outputs["sequence_output"]
        else:
            # Those that are not used are in the graph, but never computed.
            names = ["embedding_output", "encoder_outputs", *further]
            outputs = self.encoder(ids, outputs=names, training=False)
            states = [outputs["embedding_output"], *outputs["encoder_outputs"]]
            tokens = mix([ops.cast(state, "float32") for state in states])
        if len(tokens.shape) == 4:
            tokens = ops.reshape(tokens, (*ops.shape(tokens)[:2], -1))
        return ops.cast(tokens, "float32"), outputs.get("pooled_output")

    def _pool(self, pooling, tokens, pooled, mask):
        if pooling == "cls":
            return tokens[:, self.cls_position]
        if pooling == "pooled":
            return ops.cast(pooled, "float32")
        return self.pooling_layers[pooling](tokens, padding_mask=mask)


def multiplies_in_half(dtype: str) -> bool:
    """Whether the matrix products of larger jobs in this dtype are in half precision."""
    is_slow = _on_onednn() and dtype == "bfloat16" and not has_quick_bfloat16()
    return dtype in _HALF and not is_slow


class CompiledModel:
    """A `FeatureExtractor` as a function of arrays, the fastest one on this backend.

    TensorFlow traces it once for all shapes: `keras.Model.predict_on_batch` traces anew for the
    first few, and every trace of a large encoder takes seconds. Other backends compile each shape.
    A model that has changed beyond its weights' values, by quantization or LoRA, is traced anew.

    In bfloat16 and float16 larger jobs run in another graph, made anew when the weights have
    changed. Otherwise every call would lay out the weights for the matrix units again, while oneDNN
    keeps its layout of weights that are constants. And where the processor multiplies bfloat16 more
    slowly than float32, that graph computes in float32.
    """

    def __init__(self, model: FeatureExtractor):
        keep_programs()
        self._model = model
        self._structure: Structure | None = None

    def for_tokens(self, count: int) -> Callable:
        """The function of int32 arrays `[batch, seq]`, a dict, for a job of so many tokens.

        It gives the backend's tensors, which an accelerator may still be computing.
        """
        now = Structure(self._model)
        if now != self._structure:
            self._trace()
            self._structure = now
        dtype = self._model.encoder.compute_dtype
        if count < _WORTH_TOKENS or dtype not in _HALF or not _on_onednn():
            return self._live
        if not multiplies_in_half(dtype):
            if not all(map(is_plain, all_layers(self._model))):
                return self._live  # which no copy in float32 would be equal to
            return self._prepare(self._model.weights, lambda: _in_float32(self._model))
        # Of the tables a batch takes a few rows as they are.
        tables = {id(weight) for weight in self._model.encoder.embedding.weights}
        matrices = [weight for weight in self._model.weights if id(weight) not in tables]
        if sum(4 * np.prod(weight.shape) for weight in matrices) < _MOST_BYTES:
            return self._prepare(matrices, lambda: _traced(self._model, matrices))
        return self._live

    def compile_ahead(self, shapes: Iterable[tuple[int, int]], show: Show | None) -> None:
        """Compiles for batches of these shapes, where each has a program, as `compile_ahead`."""
        names = _inputs(self._model)
        batches = ({name: keras.KerasTensor(shape, "int32") for name in names} for shape in shapes)
        compile_ahead(self._model, batches, show)

    def _trace(self):
        on_tensorflow = keras.backend.backend() == "tensorflow"
        if not on_tensorflow:
            self._model.build()
        self._live = _traced(self._model) if on_tensorflow else partial(begin, self._model)
        self._prepared, self._prepared_weights = None, None

    def _prepare(self, weights, trace):
        """The function of the graph that `trace` makes, which holds the weights as they are now."""
        now, prepared = _fingerprint(weights), self._prepared
        if prepared is None or now != self._prepared_weights:
            prepared = trace()
            self._prepared, self._prepared_weights = prepared, now
        return prepared


def _on_onednn():
    return keras.backend.backend() == "tensorflow" and not has_gpu()


def _inputs(model):
    return (*INPUTS, "pooling_mask") if model.poolings else INPUTS


def _traced(model, frozen=()):
    """The graph of a model, some of whose weights are constants in it."""
    import tensorflow as tf

    signature = {name: tf.TensorSpec([None, None], tf.int32, name) for name in _inputs(model)}
    values = [(weight, ops.convert_to_numpy(weight)) for weight in frozen]

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
        ours.assign(ops.cast(theirs, "float32"))
    return _traced(type(model)(copy, model.layer_pooling, model.poolings, model.cls_position))


def _fingerprint(weights):
    """A number of each weight's bits, which any training step changes: 50 ms for 100 MB.

    The sum of its rows, each of them times its place, so that another order is seen too.
    """
    import tensorflow as tf

    sums = []
    for weight in weights:
        value = tf.convert_to_tensor(weight.value)
        bits = {4: tf.int32, 2: tf.int16, 1: tf.int8}[value.dtype.size]
        matrix = tf.reshape(tf.bitcast(value, bits), [-1, *value.shape[-1:]])
        rows = tf.reduce_sum(matrix, axis=-1).numpy().astype(np.int64).ravel()
        sums.append(int(rows @ np.arange(1, len(rows) + 1)))
    return sums
