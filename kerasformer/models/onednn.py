"""What TensorFlow computes on processors, in the form that is fast there."""

import math

import keras

from kerasformer.hardware import has_gpu
from kerasformer.layers.kernels import Kernels, mask_bias, softmax
from kerasformer.private_api import has_onednn


def inference_kernels():
    """The `Kernels` for graphs that are traced for inference here."""
    return OneDnnKernels() if _runs_on_onednn() else Kernels()


def training_kernels():
    """The `Kernels` for graphs that are traced for training here."""
    on_processors = keras.backend.backend() == "tensorflow" and not has_gpu()
    return TrainingKernels() if on_processors else Kernels()


def _runs_on_onednn():
    """Whether TensorFlow computes on this machine's processors, with oneDNN's kernels."""
    if keras.backend.backend() != "tensorflow" or not has_onednn() or has_gpu():
        return False
    import tensorflow as tf

    optimizer = tf.config.optimizer.get_experimental_options()
    return optimizer.get("remapping", True) and not optimizer.get("disable_meta_optimizer", False)


class OneDnnKernels(Kernels):
    """For graphs of inference that stay in this process: what is exported has to run elsewhere."""

    def layer_norm(self, layer, inputs):
        """One kernel instead of ten, float32 inside whatever the inputs' dtype.

        Keras 2 wrote layer normalization as the batch normalization of `[1, rows, size, 1]`, where
        each row is a channel, and that is what TensorFlow's optimizer turns into `_MklLayerNorm`.
        Outside of a graph nothing does, and the batch normalization itself writes beyond its memory
        when two threads are in it with different numbers of channels.
        """
        import tensorflow as tf

        if inputs.dtype == "float64" or tf.executing_eagerly():
            return super().layer_norm(layer, inputs)
        shape = tf.shape(inputs)
        rows = tf.reduce_prod(shape[:-1])
        none = tf.zeros([0])
        normal = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(inputs, tf.stack([1, rows, inputs.shape[-1], 1])),
            scale=tf.fill(rows[None], 1.0),
            offset=tf.fill(rows[None], 0.0),
            mean=none,
            variance=none,
            epsilon=layer.epsilon,
            data_format="NCHW",
            is_training=True,
        ).y
        gamma, beta = (tf.cast(weight, inputs.dtype) for weight in (layer.gamma, layer.beta))
        return beta + tf.reshape(normal, shape) * gamma

    def attention_probabilities(self, scores, allowed):
        """In bfloat16 too: oneDNN computes in float32 and rounds once, as a cast after it would."""
        if scores.dtype != "bfloat16":
            return super().attention_probabilities(scores, allowed)
        return softmax(scores if allowed is None else scores + mask_bias(allowed, "bfloat16"))


class TrainingKernels(Kernels):
    """For training on processors, where an operation is a pass over memory.

    Not for inference, whose optimizer knows Keras' own operations, and makes one of several.
    """

    def gelu(self, x):
        """By erf, in float32 at least: erfc takes longer, in bfloat16 three times as long."""
        wide = keras.ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        return keras.ops.cast(wide * (0.5 + 0.5 * keras.ops.erf(wide * math.sqrt(0.5))), x.dtype)

    def dropout(self, layer, inputs):
        """From 16 random bits for each value, not 32: the rate is that of the layer to 1e-5."""
        import tensorflow as tf

        shape, size = tf.shape(inputs), tf.size(inputs)
        dropped = min(round(layer.rate * 2**16), 2**16 - 1)
        seed = tf.cast(layer.seed_generator.next(), tf.int32)
        bits = tf.random.stateless_uniform([(size + 1) // 2], seed, None, None, tf.int32)
        drawn = tf.reshape(tf.reshape(tf.bitcast(bits, tf.int16), [-1])[:size], shape)
        scale = tf.constant(min(2**16 / (2**16 - dropped), inputs.dtype.max), inputs.dtype)
        return inputs * (tf.cast(drawn >= dropped - 2**15, inputs.dtype) * scale)
