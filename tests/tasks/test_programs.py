"""What is compiled: 8 programs at most, on JAX before the first step, and kept."""

import collections
import os
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest

from kerasformer import hardware
from kerasformer.data.shapes import grid
from kerasformer.embedder import TextEmbedder, batching
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier
from kerasformer.text import WordPieceTokenizer

on_jax = pytest.mark.backend("jax")

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


def make(max_length):
    sizes = {"hidden_size": 4, "num_layers": 1, "num_heads": 2, "intermediate_size": 4}
    sizes |= {"vocab_size": len(WORDS), "max_length": max_length}
    encoder = BertEncoder(EncoderConfig(dropout=0.0, attention_dropout=0.0, **sizes))
    return TextClassifier(2, encoder, WordPieceTokenizer.from_vocabulary(WORDS), dropout=0.0)


def texts_of(count, longest):
    rng = np.random.default_rng(0)
    return [" ".join(["fine"] * size) for size in rng.integers(1, longest + 1, count)]


@on_jax
def test_each_shape_is_compiled_once_before_the_first_step(compiled):
    model, texts, labels = make(24), texts_of(51, 29), [0, 1, 1] * 17
    model.fit(texts[:30], labels[:30], batch_size=4, epochs=2, verbose=0, validation_split=0.2)
    for size in (51, 30):  # also of another number of texts
        model.predict(texts[:size], batch_size=4)
    shapes = len(grid(24))
    assert shapes == 2
    for step in ("train_step", "test_step", "predict_step"):
        threads = [is_other for name, is_other in compiled if step in name]
        assert 1 <= len(threads) <= shapes, step
        assert all(threads), step


@pytest.fixture(scope="module")
def work():
    """A classifier and 2,000 texts to train it on in one epoch, of 1 to 250 words."""
    plain, texts = make(256), texts_of(2000, 250)
    for layer in plain.encoder.layers[:-1]:  # the program of a step is smaller without them
        layer.trainable = False
    model = TextClassifier(2, plain.encoder, plain.tokenizer, pooling="pooled", dropout=0.0)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    given = {"sample_weight": np.ones(2000), "verbose": 0}
    return model, texts, lambda: model.fit(texts, [0, 1] * 1000, **given)


@on_jax
def test_2000_texts_have_8_programs_in_training_and_8_in_inference(work, compiled):
    model, texts, fit = work
    fit()
    of_training = count(compiled, "train_step")
    for size in (2000, 1900):  # another number of texts needs no others
        model.predict(texts[:size], verbose=0)
    of_task = count(compiled, "predict_step")
    TextEmbedder(model.encoder, model.tokenizer).encode(texts)
    of_embedder = count(compiled, "predict_step") - of_task
    assert all(4 <= each <= 8 for each in (of_training, of_task, of_embedder))


@pytest.mark.backend("tensorflow")
def test_so_have_they_on_a_gpu_by_tensorflow(work, eager, monkeypatch):
    """XLA compiles a program for each shape."""
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    model, texts, fit = work
    call, pack, shapes = type(model).call, batching.pack, collections.defaultdict(set)

    def noted(self, inputs, training=None):
        shapes["training" if training else "task"].add(tuple(inputs["input_word_ids"].shape))
        return call(self, inputs, training)

    def packed(*given, **options):
        inputs = pack(*given, **options)
        shapes["embedder"].add(inputs["input_word_ids"].shape)
        return inputs

    monkeypatch.setattr(type(model), "call", noted)
    monkeypatch.setattr(batching, "pack", packed)
    fit()
    model.predict(texts, verbose=0)
    TextEmbedder(model.encoder, model.tokenizer).encode(texts)
    assert len(shapes) == 3
    assert all(4 <= len(each) <= 8 for each in shapes.values())


def count(compiled, step):
    """How many programs a step has, all of them made in threads."""
    threads = [is_other for name, is_other in compiled if step in name]
    assert all(threads)
    return len(threads)


@on_jax
def test_an_interrupted_training_leaves_no_programs_to_the_next():
    """Even where somebody keeps the exception, and with it what was running."""
    model = make(24)
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


@on_jax
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
