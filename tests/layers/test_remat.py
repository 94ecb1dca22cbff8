"""Gradient checkpointing: the same numbers, in less memory."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasformer.layers import TransformerBlock


def gradients(remat, graph):
    """Those of two steps with dropout, after the same random state, and the output."""
    keras.utils.set_random_seed(0)
    block = TransformerBlock(8, 2, 16, dropout=0.3, seed=3)
    block.remat = remat
    inputs = keras.Input((None, 8)), keras.Input((None,), dtype="bool")
    model = keras.Model(inputs, block(inputs[0], padding_mask=inputs[1]))
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=not graph)
    rng = np.random.default_rng(1)
    x, mask = rng.normal(size=(3, 5, 8)).astype("float32"), rng.random((3, 5)) < 0.7
    found = [model.train_on_batch([x, mask], x * 0.5) for _ in range(2)]
    return [np.asarray(found), *(keras.ops.convert_to_numpy(w) for w in model.weights)]


@pytest.mark.parametrize("graph", [False, True])
def test_gradients_are_the_same_dropout_included(graph):
    if not graph and keras.backend.backend() == "jax":
        pytest.skip("JAX's training is always compiled")
    for one, other in zip(gradients(False, graph), gradients(True, graph), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)


def test_attention_scores_are_returned_too():
    block = TransformerBlock(8, 2, 16, dropout=0.0)
    x = np.random.default_rng(0).normal(size=(2, 4, 8)).astype("float32")
    expected = block(x, return_attention_scores=True, training=True)
    block.remat = True
    for one, other in zip(block(x, return_attention_scores=True, training=True), expected):  # noqa: B905
        np.testing.assert_allclose(one, other, atol=1e-6)


SCRIPT = """
import os, numpy as np, keras
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.models.partial import set_remat
remat = os.fork() == 0  # both have imported what takes longest, and run nothing yet
if not remat:
    os.wait()
encoder = BertEncoder(EncoderConfig(50, 16, 4, 2, 32))
outputs = encoder(keras.Input((512,), dtype="int32"), outputs=["pooled_output"])["pooled_output"]
model = keras.Model(encoder.input, outputs)
set_remat(encoder, remat)
model.compile("sgd", "mse")
model.train_on_batch(np.full((16, 512), 7), np.ones((16, 16)))
status = dict(line.split(":") for line in open("/proc/self/status"))
print(status["VmHWM"].split()[0], flush=True)
"""


@pytest.mark.backend("tensorflow")  # on JAX's CPU the compiler keeps what is to be forgotten
@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
def test_training_takes_less_memory():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with_remat, without = (int(line) / 1024 for line in done.stdout.split())
    assert with_remat < without - 100  # MiB
