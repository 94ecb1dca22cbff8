"""Which weights a task trains: none of the encoder, its last blocks, the head first, or all."""

import time

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import (
    MaskedLanguageModel,
    MultipleChoice,
    NextSentencePredictor,
    QuestionAnswerer,
    TextClassifier,
    TokenClassifier,
    TransformerClassifier,
    load,
)
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "dull", "film"]
TEXTS, IDS = ["a fine film", "dull", "fine", "dull film", "a fine", "dull dull"], [1, 0, 1, 0, 1, 0]
eager = pytest.mark.usefixtures("eager")


def make(blocks=3, hidden=12, pooling="mean", rate=0.2, **options):
    keras.utils.set_random_seed(0)
    sizes = {"num_layers": blocks, "num_heads": 3, "intermediate_size": 2 * hidden}
    sizes |= {"dropout": rate, "attention_dropout": rate, "initializer_range": 0.2}
    config = EncoderConfig(len(WORDS), hidden, max_length=64, **sizes)
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    return TextClassifier(2, BertEncoder(config), tokenizer, pooling, dropout=rate, **options)


def parts(model, before):
    """Which parts of the encoder have other weights than before."""
    encoder = model.encoder
    layers = {"embedding": encoder.embedding, **{f"{i}": b for i, b in enumerate(encoder.blocks)}}
    layers |= {"pooler": encoder.pooler, "head": model.head}
    changed = {
        id(w) for w in model.weights if (keras.ops.convert_to_numpy(w) != before[id(w)]).any()
    }
    return {name for name, layer in layers.items() if {id(w) for w in layer.weights} & changed}


def snapshot(model):
    return {id(weight): keras.ops.convert_to_numpy(weight) for weight in model.weights}


@eager
@pytest.mark.parametrize("pooling", ["mean", "pooled"])
@pytest.mark.parametrize("trained", [0, 1, 2, 3, None])
def test_the_last_blocks_the_pooler_and_the_head_train(trained, pooling):
    model = make(pooling=pooling, trained_blocks=trained)
    before = snapshot(model)
    model.fit(TEXTS, IDS, epochs=1, learning_rate=0.01, verbose=0)
    expected = {"head"} | {str(i) for i in range(3 - (3 if trained is None else trained), 3)}
    if trained is None:
        expected.add("embedding")
    if pooling == "pooled" and trained != 0:
        expected.add("pooler")
    assert parts(model, before) == expected
    assert model.freeze_encoder is (trained == 0)
    every = [*model.trainable_variables, *model.non_trainable_variables]
    assert {id(v) for v in every} == {id(v) for v in model.variables}
    assert all(weight.trainable for weight in model.encoder.weights)  # which others may share


def test_frozen_blocks_are_computed_without_dropout():
    ids = np.array([[2, 4, 5, 3]])
    encoder = make(rate=0.4).encoder
    expected = encoder(ids, outputs=["encoder_outputs"])["encoder_outputs"]
    found = encoder(ids, outputs=["encoder_outputs"], training=True, frozen_blocks=2)
    differences = [
        float(keras.ops.max(keras.ops.abs(one - other)))
        for one, other in zip(found["encoder_outputs"], expected, strict=True)
    ]
    assert differences[:2] == [0, 0]
    assert differences[2] > 0.01


@pytest.mark.backend("tensorflow")
def test_no_gradient_is_computed_for_frozen_blocks():
    """The graph of a step, before any of it is pruned, has fewer matrix products backwards."""
    import tensorflow as tf

    def products(**options):
        model = make(blocks=4, **options)
        ids = tf.constant([[2, 4, 5, 3]])

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(model(ids, training=True) ** 2)
            return tape.gradient(loss, [w.value for w in model.trainable_variables])

        graph = step.get_concrete_function().graph
        names = [op.name for op in graph.get_operations() if op.type in ("MatMul", "BatchMatMulV2")]
        return sum("gradient" in name.lower() for name in names)

    every, last = products(), products(trained_blocks=1)
    assert last < every / 3
    assert products(freeze_encoder=True) <= 1  # of the head alone


@eager
def test_frozen_and_no_trained_block_are_the_same():
    models = [make(trained_blocks=0), make(freeze_encoder=True)]
    for model in models:
        model.fit(TEXTS, IDS, epochs=2, verbose=0)
    for one, other in zip(models[0].weights, models[1].weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trained_blocks": 4}, "trained_blocks=4 is not a number of the encoder's blocks, from 0"),
        ({"trained_blocks": -1}, "trained_blocks=-1"),
        ({"trained_blocks": 1.5}, "trained_blocks=1.5"),
        ({"trained_blocks": 1, "freeze_encoder": True}, "freezes the trained_blocks=1 too"),
    ],
)
def test_impossible_freezing_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_freezing_comes_back(tmp_path):
    model = make(trained_blocks=2)
    model.save(tmp_path / "model.keras")
    model.save_pretrained(tmp_path / "folder")
    expected = [weight.path for weight in model.trainable_weights]
    for copy in (
        keras.saving.load_model(tmp_path / "model.keras"),
        load(tmp_path / "folder"),
        TextClassifier.from_config(model.get_config()),
    ):
        assert copy.trained_blocks == 2
        assert len(copy.trainable_weights) == len(expected)
    assert load(tmp_path / "folder", freeze_encoder=True).trained_blocks is None


@pytest.mark.parametrize(
    "new",
    [
        lambda **parts: TokenClassifier(3, **parts),
        QuestionAnswerer,
        MaskedLanguageModel,
        NextSentencePredictor,
        MultipleChoice,
    ],
)
def test_freezing_of_every_task_comes_back(new, tmp_path):
    parts = make()
    task = new(encoder=parts.encoder, tokenizer=parts.tokenizer, trained_blocks=1)
    assert type(task).from_config(task.get_config()).trained_blocks == 1
    task.save_pretrained(tmp_path)
    assert load(tmp_path).trained_blocks == 1
    assert load(tmp_path, freeze_encoder=True).trained_blocks is None


class Watch(keras.callbacks.Callback):
    """What has changed by the end of each epoch."""

    def on_train_begin(self, logs=None):
        self.before, self.changed, self.logs = snapshot(self.model), [], []

    def on_epoch_end(self, epoch, logs=None):
        self.changed.append(parts(self.model, self.before))
        self.before = snapshot(self.model)


@pytest.mark.parametrize("options", [{}, {"trained_blocks": 1}, {"dtype": "mixed_float16"}])
def test_the_head_first_and_then_all(options, eager):
    if not options and keras.backend.backend() == "tensorflow":  # once in graphs, as it is used
        import tensorflow as tf

        tf.config.run_functions_eagerly(False)
    model, watch = make(**options), Watch()
    recipe = model.recipe.change(epochs=4, head_epochs=2, batch_size=2, accumulate=2)
    history = model.fit(TEXTS, IDS, recipe=recipe, callbacks=[watch], verbose=0)
    assert len(history.epoch) == 4
    rest = {"head", "2"} if "trained_blocks" in options else {"embedding", "head", *"012"}
    assert watch.changed == [{"head"}, {"head"}, rest, rest]
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    assert int(optimizer.iterations) == 4
    assert float(optimizer.learning_rate) == 0
    assert not model.head_alone
    model.fit(TEXTS, IDS, recipe=model.recipe.change(epochs=1, accumulate=2), verbose=0)
    assert int(getattr(model.optimizer, "inner_optimizer", model.optimizer).iterations) == 5


@eager
def test_one_seed_repeats_the_head_first():
    trained = []
    for _ in range(2):
        model = make()
        recipe = model.recipe.change(epochs=2, head_epochs=1)
        model.fit(TEXTS, IDS, recipe=recipe, seed=3, verbose=0)
        trained.append(list(snapshot(model).values()))
    for one, other in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, other)


@eager
def test_an_interruption_leaves_the_whole_task_to_be_trained():
    def stop(epoch, logs):
        raise KeyboardInterrupt

    model = make()
    trained = len(model.trainable_weights)
    callback = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    recipe = model.recipe.change(head_epochs=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(TEXTS, IDS, recipe=recipe, callbacks=[callback], verbose=0)
    assert len(model.trainable_weights) == trained


def test_a_model_without_an_encoder_has_no_head_to_train_first():
    model = TransformerClassifier(2, 60, 8, 8)
    with pytest.raises(UserError, match="head_epochs=1 is for a pretrained encoder: leave it at 0"):
        model.fit(TEXTS, IDS, recipe=model.recipe.change(head_epochs=1), verbose=0)


if __name__ == "__main__":  # how much time the last block alone saves
    texts = [" ".join(["fine", "dull"] * 30)] * 64
    for trained in (None, 1, 0):
        model = make(6, 384, trained_blocks=trained)
        model.fit(texts, [0, 1] * 32, epochs=1, verbose=0)
        started = time.perf_counter()
        model.fit(texts, [0, 1] * 32, epochs=3, batch_size=32, verbose=0)
        print(trained, (time.perf_counter() - started) / 6)
