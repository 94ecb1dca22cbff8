"""In a forked process: a sentence where any other Keras model hangs."""

import os
import subprocess
import sys

import keras

CODE = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
import keras
import numpy as np
from kerasformer import BertEncoder, EncoderConfig, TextClassifier, TextEmbedder, TokenClassifier
from kerasformer.text import WordPieceTokenizer

tokenizer = WordPieceTokenizer.from_vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"])
ids = np.array([[2, 4, 3]])


def make():
    config = EncoderConfig(6, 4, num_layers=1, num_heads=1, intermediate_size=4, max_length=9)
    return BertEncoder(config)


def in_child(name, act):
    child = os.fork()
    if not child:
        signal.alarm(60)
        try:
            act()
        except Exception as error:
            print(name, type(error).__name__, str(error).replace(str(os.getppid()), "N"))
        else:
            print(name, "works")
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name + " hangs"


in_child("first", lambda: TextEmbedder(make(), tokenizer).encode(["a"]))
encoder = make()
encoder(ids)
frozen, tuned = (TextClassifier(2, encoder, tokenizer, freeze_encoder=f) for f in (True, False))
tokens = TokenClassifier(2, encoder)
tokens.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
embedder, texts = TextEmbedder(encoder, tokenizer), ["a", "b"]
in_child("call", lambda: encoder(ids))
in_child("encode", lambda: embedder.encode("a"))
in_child("stream", lambda: next(embedder.stream(texts)))
in_child("features", lambda: frozen.features(texts))
in_child("fit_head", lambda: frozen.fit_head(np.zeros((2, 4)), [0, 1]))
for model in (frozen, tuned):
    in_child("predict", lambda: model.predict(texts))
    in_child("fit", lambda: model.fit(texts, [0, 1]))
    in_child("evaluate", lambda: model.evaluate(texts, [0, 1]))
in_child("fit", lambda: tokens.fit(ids, ids))
in_child("train_on_batch", lambda: tokens.train_on_batch(ids, ids))
in_child("make", make)
in_child("tokenize", lambda: tokenizer.tokenize(texts))
print(len(frozen.predict(texts)))
"""


def test_a_fork_of_a_process_with_models_says_so_and_others_work():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    first, *refused, tokenize, parent = done.stdout.splitlines()
    assert (first, tokenize, parent) == ("first works", "tokenize works", "2")
    names = ["call", "encode", "stream", "features", "fit_head"]
    names += ["predict", "fit", "evaluate"] * 2 + ["fit", "train_on_batch", "make"]
    assert [line.split()[0] for line in refused] == names
    assert {line.split(maxsplit=1)[1] for line in refused} == {
        "UserError This process is a fork of process N, which had made a model, so that computing "
        "here would hang: make the models in the children alone, or start these with "
        "multiprocessing's 'spawn'."
    }
