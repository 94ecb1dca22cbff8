"""Tiny trainings of tasks on several devices, and on one: run as a script, it prints what came out.

Devices can be divided only before a backend starts them: in a process of its own. It is given a
list as JSON, of `[name, subject, devices, options]`, and prints the numbers of each by its name.
With ADDRESS and PROCESS it is one of two processes, on JAX: the option `apart` has what is given
to each of these alone.
"""

import contextlib
import functools
import json
import sys
from typing import Any

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, CausalDecoder, DecoderConfig, EncoderConfig
from kerasformer.tasks import (
    CausalLanguageModel,
    Distillation,
    MaskedLanguageModel,
    PretrainingModel,
    QuestionAnswerer,
    TextClassifier,
    TokenClassifier,
)
from kerasformer.tasks.answering.spans import SPAN
from kerasformer.text import WordPieceTokenizer
from kerasformer.training import Recipe, resume

ON_JAX = keras.backend.backend() == "jax"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fine", "dull", "film", "acting", "so"]
# 7 in batches of 4 and 3: 3 devices have 2, 2 and 0 of the first, and 2 have 2 and 1 of the second.
TEXTS = ["a fine film", "so dull", "fine", "so dull acting", "fine acting", "a dull film so so so"]
TEXTS += ["a film"]
LABELS = [1, 0, 1, 0, 1, 0, 0]
PAIRS = [(text, "fine acting") for text in TEXTS]
SENTENCES = [text.split() for text in TEXTS]
TAGS = [["B" if word in ("film", "acting") else "O" for word in words] for words in SENTENCES]
QUESTIONS = [("fine film", text) for text in TEXTS]
ANSWERS = [(text.split()[-1], text.rindex(text.split()[-1])) for text in TEXTS]
EXAMPLES: dict[str, tuple] = {
    "texts": (TEXTS, LABELS),
    "frozen": (TEXTS, LABELS),
    "pairs": (PAIRS, LABELS),
    "tags": (SENTENCES, TAGS),
    "answers": (QUESTIONS, ANSWERS),
    "masked": (TEXTS,),
    "causal": (TEXTS,),
    "distilled": (TEXTS,),
    "both": ([f"{text}. {text} so. a {text}." for text in TEXTS],),
}


def make(subject, dropout=0.0):
    keras.utils.set_random_seed(0)
    sizes = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 8}
    sizes |= {"vocab_size": len(WORDS), "max_length": 12, "initializer_range": 0.3}
    given: dict[str, Any] = {"tokenizer": WordPieceTokenizer.from_vocabulary(WORDS)}
    if subject == "causal":
        none = {"dropout": 0.0, "embedding_dropout": 0.0, "attention_dropout": 0.0}
        return CausalLanguageModel(CausalDecoder(DecoderConfig(**sizes, **none)), **given)
    encoder = BertEncoder(EncoderConfig(dropout=dropout, attention_dropout=dropout, **sizes))
    if subject == "tags":
        return TokenClassifier(["O", "B"], encoder, **given, dropout=0.0)
    if subject == "answers":
        return QuestionAnswerer(encoder, **given)
    if subject == "distilled":
        return Distillation(BertEncoder(encoder.config), MaskedLanguageModel(encoder, **given))
    if subject in ("masked", "both"):
        task = MaskedLanguageModel if subject == "masked" else PretrainingModel
        return task(encoder, **given)
    frozen = {"freeze_encoder": subject == "frozen"}
    return TextClassifier(["bad", "good"], encoder, **given, dropout=0.0, **frozen)


class Stop(keras.callbacks.Callback):
    """Ends a training after so many batches, as a lost machine does."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left < 0:
            raise ConnectionError


def fit(model, subject, callbacks=(), folder=None, **recipe):
    examples = EXAMPLES[subject]
    held = tuple(part[:4] for part in examples)
    return model.fit(
        *examples,
        epochs=2 if subject == "texts" else 1,
        verbose=0,
        validation_data=held,
        callbacks=list(callbacks),
        resume=folder,
        recipe=Recipe(batch_size=4, learning_rate=0.01, **recipe),
    ).history


def fit_by_hand(model, reduction):
    """As Keras trains it, on token ids with a weight of each row."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
    model.compile(keras.optimizers.SGD(0.1), loss)
    ids = np.random.default_rng(0).integers(5, len(WORDS), (len(TEXTS), 5)).astype("int32")
    weights = np.arange(1, len(TEXTS) + 1)  # whole numbers, as a person writes them
    options = {"epochs": 2, "batch_size": 4, "shuffle": False, "verbose": 0}
    examples = {"input_word_ids": ids}, np.array(LABELS)
    history = model.fit(*examples, sample_weight=weights, **options).history
    return {"loss": flat(history["loss"]), "weights": flat(model.get_weights())}


def flat(values):
    return [float(x) for leaf in keras.tree.flatten(values) for x in np.ravel(leaf)]


def numbers(model, subject, **options):
    """All that is told of a model which is trained."""
    examples, history = EXAMPLES[subject], fit(model, subject, **options)
    scores = model.evaluate(*examples, batch_size=4, verbose=0, return_dict=True)
    found = {name: flat(values) for name, values in history.items()}
    found |= {f"evaluated {k}": [v] for k, v in scores.items() if isinstance(v, int | float)}
    if subject == "answers":  # what is added to all logits has no gradient either
        outputs = model.predict(examples[0][:4], batch_size=4)
        found["outputs"] = flat(
            [outputs[name] - outputs[name].max(axis=1)[:, None] for name in SPAN]
        )
    elif subject not in ("masked", "causal", "both"):
        found["outputs"] = flat(model.predict(examples[0][:4], batch_size=4))
        found["outputs of one batch"] = flat(model.predict_on_batch(examples[0][:4]))
    weights = [  # but those that have no gradient, of which AdamW follows the rounding
        keras.ops.convert_to_numpy(weight)
        for weight in model.trainable_weights
        if np.max(keras.ops.convert_to_numpy(model.optimizer.moments(weight)[1])) > 1e-14
    ]
    if subject == "frozen":
        found["loss of a second fit"] = flat(fit(model, subject, **options)["loss"])
    if ON_JAX and subject == "texts":
        found["shares"] = shares(model)
    return found | {"weights": flat(weights)}


def refusals(model):
    """What its methods say that are not possible with it."""
    ids = {"input_word_ids": np.ones((6, 5), "int32")}
    calls = {
        "predict": lambda: model.predict(TEXTS),
        "predict of tensors": lambda: model.predict(ids, verbose=0),
        "predict_on_batch": lambda: model.predict_on_batch(TEXTS),
        "evaluate": lambda: model.evaluate(TEXTS, LABELS, verbose=0),
    }
    found = {}
    for name, call in calls.items():
        try:
            call()
        except UserError as error:
            found[name] = str(error)
    return {"calls": list(calls), "refused": found}


def shares(model):
    """How many of 6 rows each device computes in a step of training."""
    import jax

    state = [
        [v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables)
    ]
    step = jax.jit(functools.partial(model.stateless_call, training=True))
    logits = step(*state, {"input_word_ids": np.ones((6, 5), "int32")})[0]
    return [logits.sharding.shard_shape(logits.shape)[0]]


@contextlib.contextmanager
def on_devices(count):
    """The scope in which models are on so many devices; None for no scope."""
    if count is None:
        yield
    elif ON_JAX:
        devices = keras.distribution.list_devices()[:count]
        with keras.distribution.DataParallel(devices=devices).scope():
            yield
    else:
        import tensorflow as tf

        # By default it adds by collectives, of which a process has one group.
        adding = tf.distribute.ReductionToOneDevice()
        devices = [f"CPU:{number}" for number in range(count)]
        with tf.distribute.MirroredStrategy(devices, adding).scope():
            yield


def run(
    subject,
    devices,
    made_outside=False,
    only_used=False,
    by_hand=None,
    stop=None,
    dropout=0.0,
    **options,
):
    model = make(subject) if made_outside else None
    with on_devices(devices):
        if only_used:
            return refusals(model)
        if by_hand is not None:
            return fit_by_hand(make(subject), by_hand)
        if stop is not None:
            with contextlib.suppress(ConnectionError):
                fit(make(subject), subject, [Stop(stop)], **options)
        return numbers(model or make(subject, dropout), subject, **options)


def main():
    if not ON_JAX:
        import logging

        import tensorflow as tf

        logging.getLogger("tensorflow").setLevel("ERROR")
        cpu, each = tf.config.list_physical_devices("CPU")[0], tf.config.LogicalDeviceConfiguration
        tf.config.set_logical_device_configuration(cpu, [each(), each(), each()])
        tf.config.run_functions_eagerly(True)  # making graphs takes longer than these few steps
    elif sys.argv[1:]:
        import jax

        jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
    resume.Checkpoints._is_due = lambda *_: True  # else there is one a minute
    process, results = int(sys.argv[2]) if sys.argv[1:] else 0, {}
    for name, subject, devices, options in json.load(sys.stdin):
        options |= options.pop("apart", [{}, {}])[process]
        try:
            results[name] = run(subject, devices, **options)
        except UserError as error:
            results[name] = str(error)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
