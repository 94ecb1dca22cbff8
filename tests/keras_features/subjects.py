"""The columns of the table: every public class as a Keras model that can be trained, with data."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasformer import layers, tasks
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.text import WordPieceTokenizer, WordTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##s", "a"]
TEXTS = ["a good film", "a bad film", "good films", "bad"]
IDS = np.array([[2, 5, 7, 3], [2, 6, 7, 3], [2, 5, 3, 0], [2, 6, 9, 3]], "int32")
VECTORS = np.random.default_rng(0).normal(size=(4, 4, 8)).astype("float32")
CLASSES = np.array([1, 0, 1, 0], "int32")
SPARSE = functools.partial(keras.losses.SparseCategoricalCrossentropy, from_logits=True)
TOKENIZER = WordPieceTokenizer.from_vocabulary(WORDS)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A class, how it is made, and what it is trained on.

    Attributes:
        make: A function of a dtype policy that makes the model, as a user would.
        x, y: Four examples with their labels.
        loss: A function that makes the loss, or the dict of losses.
        metrics: What `compile` takes.
    """

    make: Callable[[Any], keras.Model]
    x: Any
    y: Any
    loss: Callable[[], Any] = SPARSE
    metrics: Any = ("accuracy",)

    @property
    def is_text(self):
        return isinstance(self.x, list)

    @property
    def outputs(self):
        """How many outputs have labels."""
        return len(self.y) if isinstance(self.y, dict) else 1

    def model(self, dtype=None, seed=0, **compile_options):
        """A fresh model, compiled by hand."""
        keras.utils.set_random_seed(seed)
        model = self.make(dtype)
        metrics = dict.fromkeys(self.y, self.metrics) if self.outputs > 1 else self.metrics
        defaults = {"optimizer": keras.optimizers.SGD(0.01), "loss": self.loss()}
        # Without compiling graphs, but where a cell is about them.
        defaults["run_eagerly"] = not compile_options.keys() & {
            "jit_compile",
            "steps_per_execution",
        }
        defaults |= {"metrics": metrics and keras.tree.map_structure(lambda m: m, metrics)}
        model.compile(**defaults | compile_options)
        return model


def encoder(dtype=None, **changes):
    sizes = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 8}
    sizes |= {"dropout": 0.0, "attention_dropout": 0.0}
    config = EncoderConfig(len(WORDS), **sizes, max_length=8, initializer_range=0.3, **changes)
    return BertEncoder(config, dtype=dtype)


def _layer(make, x=VECTORS, **call_options):
    """A functional model of a layer, with a layer of Keras after it."""

    def model(dtype):
        inputs = keras.Input(x.shape[1:], dtype=x.dtype.name)
        outputs = make(dtype=dtype)(inputs, **call_options)
        return keras.Model(inputs, keras.layers.Dense(2, dtype="float32")(outputs))

    rank = 2 if make.func is layers.SequencePooling else 3
    y = CLASSES if rank == 2 else np.repeat(CLASSES[:, None], 4, axis=1)
    return Subject(model, x, y)


def _layer_pooling(dtype):
    inputs = keras.Input(VECTORS.shape[1:])
    other = keras.layers.Dense(8, dtype=dtype)(inputs)
    mixed = layers.LayerPooling([0, 1], "scalar_mix", dtype=dtype)([inputs, other])
    return keras.Model(inputs, keras.layers.Dense(2, dtype="float32")(mixed))


def _masked_lm_head(dtype):
    inputs = keras.Input(VECTORS.shape[1:])
    table = keras.ops.ones((len(WORDS), 8))
    return keras.Model(inputs, layers.MaskedLMHead(len(WORDS), 8, dtype=dtype)(inputs, table))


def _text_classifier(dtype, **options):
    options |= {"dtype": dtype, "dropout": 0.0}
    return tasks.TextClassifier(["bad", "good"], encoder(dtype), TOKENIZER, **options)


def _scratch(dtype):
    tokenizer = WordTokenizer.train(TEXTS * 2, vocab_size=20)
    sizes = {"vocab_size": 20, "max_length": 8, "hidden_size": 8, "intermediate_size": 8}
    sizes["dropout"] = 0.0
    names = ["bad", "good"]
    return tasks.TransformerClassifier(names, **sizes, tokenizer=tokenizer, dtype=dtype)


_block = functools.partial(layers.TransformerBlock, 8, 2, 8)
_tokens = np.repeat(CLASSES[:, None], 4, axis=1)
_frozen = functools.partial(_text_classifier, freeze_encoder=True)

LAYERS = {
    "SelfAttention": _layer(functools.partial(layers.SelfAttention, 2, 4)),
    "TransformerBlock": _layer(_block),
    "SequencePooling": _layer(functools.partial(layers.SequencePooling)),
    "LayerPooling": Subject(_layer_pooling, VECTORS, _tokens),
    "MaskedLMHead": Subject(_masked_lm_head, VECTORS, _tokens),
    "BertEmbedding": _layer(functools.partial(layers.BertEmbedding, 10, 8, 2, 8), IDS),
    "TokenAndPositionEmbedding": _layer(
        functools.partial(layers.TokenAndPositionEmbedding, 10, 8, 8), IDS
    ),
}
TENSORS = {
    "BertEncoder": Subject(
        encoder,
        IDS,
        {"pooled_output": np.zeros((4, 8), "float32")},
        lambda: {"pooled_output": "mse"},
        metrics=None,
    ),
    "TextClassifier": Subject(_text_classifier, IDS, CLASSES),
    "TextClassifier, frozen": Subject(_frozen, IDS, CLASSES),
    "TransformerClassifier": Subject(_scratch, IDS, CLASSES),
    "TokenClassifier": Subject(
        lambda d: tasks.TokenClassifier(2, encoder(d), dtype=d), IDS, _tokens
    ),
    "QuestionAnswerer": Subject(
        lambda d: tasks.QuestionAnswerer(encoder(d), dtype=d),
        IDS,
        {"start_logits": CLASSES, "end_logits": CLASSES},
        lambda: {"start_logits": SPARSE(), "end_logits": SPARSE()},
    ),
    "MaskedLanguageModel": Subject(
        lambda d: tasks.MaskedLanguageModel(encoder(d), dtype=d), IDS, IDS
    ),
    "NextSentencePredictor": Subject(
        lambda d: tasks.NextSentencePredictor(encoder(d), dtype=d), IDS, CLASSES
    ),
    "MultipleChoice": Subject(
        lambda d: tasks.MultipleChoice(encoder(d), dtype=d),
        np.stack([IDS, IDS[::-1]], axis=1),
        CLASSES,
    ),
    "PretrainingModel": Subject(
        lambda d: tasks.PretrainingModel(encoder(d), dtype=d),
        IDS,
        {"mlm_logits": IDS, "next_sentence_logits": CLASSES},
        lambda: {"mlm_logits": SPARSE(), "next_sentence_logits": SPARSE()},
    ),
}
ON_TEXTS = {
    f"{name}, texts": dataclasses.replace(TENSORS[name], x=TEXTS)
    for name in ("TextClassifier", "TextClassifier, frozen", "TransformerClassifier")
}
SUBJECTS = {**LAYERS, **TENSORS, **ON_TEXTS}

# Columns of the rows. `fit`, `evaluate` and `predict` are Keras' own but on texts: beside these,
# one class for each kind of output stands for all, and layers are in models of Keras' own.
FITTED = ("BertEncoder", "TextClassifier", "PretrainingModel", *ON_TEXTS)
TRACED = ("BertEncoder", "TextClassifier", "TextClassifier, texts")
CLASSES = (*LAYERS, *TENSORS)
ALL = tuple(SUBJECTS)
