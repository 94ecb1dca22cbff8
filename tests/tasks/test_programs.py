"""What JAX compiles: one program for each shape of batches, before the first step, and kept."""

import os
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest

from kerasformer.data.shapes import grid
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier
from kerasformer.text import WordPieceTokenizer

pytestmark = pytest.mark.backend("jax")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fine", "dull"]


@pytest.fixture
def compiled():
    """A list to which each program is added: its name, and whether it is made in a thread."""
    from jax import monitoring

    found = []

    def note(event, seconds, fun_name="", **about):
        if event.endswith("backend_compile_duration"):
            found.append((fun_name, threading.current_thread() is not threading.main_thread()))

    monitoring.register_event_duration_secs_listener(note)
    yield found
    monitoring.unregister_event_duration_listener(note)


def test_each_shape_is_compiled_once_before_the_first_step(compiled):
    sizes = {"hidden_size": 4, "num_layers": 1, "num_heads": 2, "intermediate_size": 4}
    config = EncoderConfig(vocab_size=len(WORDS), max_length=24, **sizes)
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    model = TextClassifier(2, BertEncoder(config), tokenizer)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS[5:], size)) for size in rng.integers(1, 30, 51)]
    labels = rng.integers(2, size=51)
    model.fit(texts[:30], labels[:30], batch_size=4, epochs=2, verbose=0, validation_split=0.2)
    for size in (51, 30):  # also of another number of texts
        model.predict(texts[:size], batch_size=4)
    shapes = len(grid(24))
    assert shapes == 2
    for step, ahead in (("train_step", True), ("test_step", True), ("predict_step", False)):
        threads = [is_other for name, is_other in compiled if step in name]
        assert 1 <= len(threads) <= shapes, step
        assert not ahead or all(threads), step


def test_an_interrupted_training_leaves_no_programs_to_the_next():
    """Even where somebody keeps the exception, and with it what was running."""
    sizes = {"hidden_size": 4, "num_layers": 1, "num_heads": 2, "intermediate_size": 4}
    config = EncoderConfig(vocab_size=len(WORDS), max_length=24, **sizes)
    model = TextClassifier(2, BertEncoder(config), WordPieceTokenizer.from_vocabulary(WORDS))
    texts, labels = ["fine " * size for size in range(1, 21)], [0, 1] * 10

    class Interrupted(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as kept:
        model.fit(texts, labels, 4, 1, learning_rate=0.1, verbose=0, callbacks=[Interrupted()])
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    given = {"learning_rate": 1e-7, "restart": True, "verbose": 0}
    model.fit(texts, labels, 4, 1, weight_decay=0.0, **given)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), old, atol=1e-5)
    assert kept


SCRIPT = """
import sys
import jax
from jax import monitoring
from kerasformer.tasks import TransformerClassifier

events = []
monitoring.register_event_listener(lambda event, **about: events.append(event.split("/")[-1]))
TransformerClassifier(2, vocab_size=9, max_length=4, hidden_size=4, num_heads=1)
jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((3, 3)))
print(jax.config.jax_compilation_cache_dir, events.count("cache_misses"), "cache_hits" in events)
"""


def test_another_process_compiles_nothing_anew(tmp_path):
    def run(**variables):
        environment = os.environ | {
            "JAX_ENABLE_COMPILATION_CACHE": "true",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "KERASFORMER_CACHE": str(tmp_path / "cache"),
        }
        command = [sys.executable, "-c", SCRIPT]
        options = {"capture_output": True, "text": True, "check": True}
        done = subprocess.run(command, env=environment | variables, **options)
        folder, misses, has_hits = done.stdout.split()
        return folder, int(misses), has_hits == "True"

    folder = str(tmp_path / "cache" / "programs")
    name, misses, _ = run()
    assert name == folder
    assert misses
    assert run() == (folder, 0, True)
    assert run(JAX_ENABLE_COMPILATION_CACHE="false") == ("None", 0, False)
    other = str(tmp_path / "other")
    assert run(JAX_COMPILATION_CACHE_DIR=other)[0] == other
