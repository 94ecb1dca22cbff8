"""Classifiers on two devices of `tf.distribute`, against the same on one."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

# Devices can be divided only before TensorFlow has started them: in a process of its own.
SCRIPT = """
import json, logging, sys
import keras, numpy as np, tensorflow as tf
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier, TransformerClassifier
from kerasformer.text import WordPieceTokenizer, WordTokenizer

logging.getLogger("tensorflow").setLevel("ERROR")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "dull", "film", "so"]
texts = ["a fine film", "so dull", "fine", "so dull a film", "dull film fine", "fine film so"] * 2
labels = [1, 0, 1, 0, 0, 1] * 2

def make(kind):
    keras.utils.set_random_seed(0)
    if kind == "scratch":
        tokenizer = WordTokenizer.train(texts, vocab_size=20)
        return TransformerClassifier(2, 20, 8, 8, dropout=0.0, tokenizer=tokenizer)
    config = EncoderConfig(
        len(words), hidden_size=8, num_layers=1, num_heads=2, intermediate_size=8, max_length=8,
        initializer_range=0.3, dropout=0.0, attention_dropout=0.0)
    tokenizer = WordPieceTokenizer.from_vocabulary(words)
    freeze = kind == "frozen"
    return TextClassifier(2, BertEncoder(config), tokenizer, dropout=0.0, freeze_encoder=freeze)

def numbers(model):
    parts = [model.predict(texts, batch_size=5), model.evaluate(texts, labels, batch_size=8)]
    fitted = model.fit(texts, labels, epochs=2, batch_size=4, verbose=0, learning_rate=0.01,
                       validation_data=(texts[:5], labels[:5]))
    parts += [fitted.history["loss"], fitted.history["val_loss"], model.predict(texts)]
    return np.concatenate([np.ravel(part) for part in parts]).tolist()

result = {}
for kind in sys.argv[1:]:
    result[kind] = {"one": numbers(make(kind))}
    with strategy.scope():
        model = make(kind)
        result[kind]["inside"] = numbers(model)
        if kind == "scratch":
            other = make(kind)
    if kind == "scratch":
        result[kind]["outside"] = numbers(other)
model = make("scratch")
try:
    with strategy.scope():
        model.fit(texts, labels, verbose=0)
except UserError as error:
    result["refused"] = str(error)
print(json.dumps(result))
"""


@pytest.mark.backend("tensorflow")
def test_two_devices_compute_what_one_does():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), "scratch"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    refused = result.pop("refused")
    assert "was made outside the scope" in refused
    assert "\n" not in refused
    assert result.keys() == {"scratch"}
    for kind, numbers in result.items():
        for place, found in numbers.items():
            assert found == pytest.approx(numbers["one"], abs=2e-4), (kind, place)
