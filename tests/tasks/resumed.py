"""Tiny trainings of every task, and how they are ended: by an error here, or by SIGKILL.

Run as `__main__` of a child process, with runs as JSON, lists of SUBJECT, FOLDER, EVENT and AT, it
forks a process for each, so that TensorFlow, which has not run yet, is imported once. Each trains
until it is killed: before the checkpoint of the AT-th moment ("moment"), or when it is about to
touch a file of the folder for the AT-th time ("file"). Their statuses are printed.
"""

import functools
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import (
    Distillation,
    MaskedLanguageModel,
    MultipleChoice,
    NextSentencePredictor,
    PretrainingModel,
    QuestionAnswerer,
    TextClassifier,
    TokenClassifier,
    TransformerClassifier,
)
from kerasformer.text import WordPieceTokenizer
from kerasformer.training import Recipe, resume

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fine", "dull", "film", "acting", "so"]
TEXTS = ["a fine film", "so dull", "fine", "so dull acting", "fine acting", "a dull film"] * 3
LABELS = np.array([1, 0] * 9)
SENTENCES = [text.split() for text in TEXTS]
TAGS = [["B" if word in ("film", "acting") else "O" for word in words] for words in SENTENCES]
QUESTIONS = [("fine film", text) for text in TEXTS]
ANSWERS = [(text.split()[-1], text.rindex(text.split()[-1])) for text in TEXTS]
DOCUMENTS = [f"{text}. {text} so. a {text}." for text in TEXTS]
CHOICES = [(text, ["film", "dull"]) for text in TEXTS]
FIT: dict[str, Any] = {"epochs": 3, "verbose": 0, "seed": 5}


class Subject(NamedTuple):
    """A model, and what `fit` is given."""

    make: Callable[[], keras.Model]
    examples: tuple
    options: Mapping[str, Any] = MappingProxyType({})
    callbacks: Callable[[], list] = list
    interruptions: int = 20

    def fit(self, model, folder=None, callbacks=()):
        held = tuple(part[:5] for part in self.examples)
        recipe = self.options.get("recipe", model.recipe).change(batch_size=4, learning_rate=1e-2)
        options = FIT | {"validation_data": held} | dict(self.options) | {"recipe": recipe}
        given = [*self.callbacks(), *callbacks]
        return model.fit(*self.examples, callbacks=given, resume=folder, **options)


def encoder(dtype=None):
    sizes = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 8}
    sizes |= {"vocab_size": len(WORDS), "max_length": 8, "initializer_range": 0.3}
    return BertEncoder(EncoderConfig(dropout=0.2, attention_dropout=0.2, **sizes), dtype=dtype)


def on_encoder(task, *args, dtype=None, **options):
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    if dtype:
        options["dtype"] = dtype
    return task(*args, encoder=encoder(dtype), tokenizer=tokenizer, **options)


def distilled():
    return Distillation(encoder(), on_encoder(MaskedLanguageModel), parts=["logits"])


def scratch(**options):
    sizes = {"vocab_size": 60, "max_length": 8, "hidden_size": 8}
    return TransformerClassifier(["bad", "good"], **sizes, **options)


def stopping():
    return [keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)]


def lowering():
    return [keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1.0)]


CLASSES = (["bad", "good"],)
PAIR = (TEXTS, LABELS)
SUBJECTS = {
    "scratch": Subject(scratch, PAIR),
    "tuned": Subject(lambda: on_encoder(TextClassifier, *CLASSES), PAIR),
    "frozen": Subject(lambda: on_encoder(TextClassifier, *CLASSES, freeze_encoder=True), PAIR),
    "tags": Subject(lambda: on_encoder(TokenClassifier, ["O", "B"]), (SENTENCES, TAGS)),
    "answers": Subject(lambda: on_encoder(QuestionAnswerer), (QUESTIONS, ANSWERS)),
    "choices": Subject(lambda: on_encoder(MultipleChoice), (CHOICES, LABELS)),
    "masked": Subject(lambda: on_encoder(MaskedLanguageModel), (TEXTS,)),
    "pretraining": Subject(
        lambda: on_encoder(PretrainingModel), (DOCUMENTS,), {"recipe": Recipe(max_steps=14)}
    ),
    "distilled": Subject(distilled, (TEXTS,), {"epochs": 2}, interruptions=4),
    "next": Subject(lambda: on_encoder(NextSentencePredictor), (QUESTIONS, LABELS)),
    "accumulated": Subject(scratch, PAIR, {"recipe": Recipe(accumulate=2)}),
    "stopped early": Subject(scratch, PAIR, {"epochs": 5}, stopping),
    "lower rates": Subject(scratch, PAIR, {}, lowering),
    "best epoch": Subject(
        scratch, PAIR, {"epochs": 4, "recipe": Recipe(monitor="val_f1", patience=1)}
    ),
    "head first": Subject(
        lambda: on_encoder(TextClassifier, *CLASSES),
        PAIR,
        {"recipe": Recipe(head_epochs=1)},
        interruptions=4,
    ),
    "float16": Subject(
        lambda: on_encoder(TextClassifier, *CLASSES, dtype="mixed_float16"), PAIR, {"epochs": 2}
    ),
    "some steps": Subject(scratch, PAIR, {"recipe": Recipe(max_steps=7, accumulate=2)}),
    "few steps": Subject(scratch, PAIR, {"steps_per_epoch": 3, "shuffle": False}),
}


def make(name):
    keras.utils.set_random_seed(3)
    return SUBJECTS[name].make()


class Moments(keras.callbacks.Callback):
    """Calls `end` at the `at`-th moment of a training."""

    def __init__(self, at, end):
        super().__init__()
        self.left, self._end = at, end

    def pass_by(self, *_, **__):
        self.left -= 1
        if self.left == 0:
            self._end()

    on_epoch_begin = on_epoch_end = on_train_begin = on_train_end = pass_by
    on_train_batch_begin = on_train_batch_end = on_test_batch_end = pass_by


def checkpoint_often(rng):
    """Has checkpoints written at random steps; returns what undoes it."""
    before = resume.Checkpoints._is_due
    resume.Checkpoints._is_due = lambda *_: rng.random() < 0.6
    return lambda: setattr(resume.Checkpoints, "_is_due", before)


def train_until_killed(name, folder, event, at):
    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    moments = Moments(at if event == "moment" else 0, kill)
    checkpoint_often(np.random.default_rng(at))
    if event == "file":
        count = 0

        def watch(audited, arguments):
            nonlocal count
            touches = audited in ("open", "os.rename", "os.remove")
            if touches and str(arguments[0]).startswith(folder):
                count += 1
                if count == at:
                    kill()

        sys.addaudithook(watch)
    SUBJECTS[name].fit(make(name), folder, [moments])


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from kills import in_a_child

    for run in json.loads(sys.argv[1]):
        print(in_a_child(functools.partial(train_until_killed, *run)), flush=True)
