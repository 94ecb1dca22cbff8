"""Texts with choices for each; tests/parity/test_classifiers.py compares with transformers."""

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import MultipleChoice
from kerasformer.text import WordPieceTokenizer

pytestmark = pytest.mark.usefixtures("eager")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "he", "she", "sat", "ran", "up", "on", "down", "far"]
EXAMPLES = [
    ("he sat", ["down", "up far up on", "far"]),
    ("she ran", ["far", "sat"]),
    ("he ran", ["up down far on", "far"]),
    ("she sat on", ["sat sat", "far", "down", "ran"]),
]
RIGHT = [0, 0, 1, 2]


def of_texts(tokenizer=True, **options):
    keras.utils.set_random_seed(1)
    sizes = {"hidden_size": 6, "num_layers": 1, "num_heads": 2, "intermediate_size": 5}
    config = EncoderConfig(vocab_size=30, max_length=16, initializer_range=0.5, **sizes)
    given = WordPieceTokenizer.from_vocabulary(WORDS) if tokenizer else None
    return MultipleChoice(BertEncoder(config), given, dropout=0.0, **options)


@pytest.fixture(scope="module")
def chooser():
    model = of_texts()
    model.head_is_new = False
    return model


def test_other_examples_change_no_score(chooser):
    scores = chooser.predict(EXAMPLES, batch_size=3)
    assert scores.shape == (4, 4)
    for row, (text, choices) in zip(scores, EXAMPLES, strict=True):
        (alone,) = chooser.predict([(text, choices)])
        np.testing.assert_allclose(row[: len(choices)], alone, atol=1e-5)
        assert (row[len(choices) :] == -1e9).all()
        best = chooser.choose(text, choices)
        assert (best.index, best.choice) == (alone.argmax(), choices[alone.argmax()])
        assert len(best.scores) == len(choices)
        assert sum(best.scores) == pytest.approx(1)
    assert chooser.predict([]).shape == (0, 0)


def test_the_metrics_are_those_of_each_example(chooser):
    scores = [chooser.choose(*example).scores for example in EXAMPLES]
    losses = [-np.log(row[label]) for row, label in zip(scores, RIGHT, strict=True)]
    hits = [np.argmax(row) == label for row, label in zip(scores, RIGHT, strict=True)]
    weights = np.array([1.0, 0.0, 2.0, 1.0])
    for weight in (None, weights):
        metrics = chooser.evaluate(
            EXAMPLES, RIGHT, sample_weight=weight, return_dict=True, verbose=0
        )
        expected = np.average([losses, hits], axis=1, weights=weight)
        np.testing.assert_allclose(list(metrics.values()), expected, rtol=1e-4)
        assert metrics.keys() == {"loss", "accuracy"}


@pytest.mark.parametrize("freeze", [False, True])
def test_it_learns(freeze, chooser):
    model = of_texts(freeze_encoder=freeze)
    before, encoder = model.evaluate(EXAMPLES, RIGHT, verbose=0)[0], model.encoder.get_weights()
    told = {"epochs": 3, "learning_rate": 0.05 if freeze else 0.01, "verbose": 0}
    history = model.fit(EXAMPLES, RIGHT, validation_data=(EXAMPLES, RIGHT), **told).history
    assert history["val_loss"][-1] < before
    loss, accuracy = model.evaluate(EXAMPLES, RIGHT, verbose=0)
    assert loss == pytest.approx(history["val_loss"][-1], rel=1e-4)
    assert accuracy == pytest.approx(history["val_accuracy"][-1])
    changed = [(a != b).any() for a, b in zip(model.encoder.get_weights(), encoder, strict=True)]
    assert any(changed) is not freeze


def test_from_nothing_but_texts(tmp_path):
    model = of_texts(tokenizer=False, max_length=12)
    with pytest.raises(UserError, match="no vocabulary yet: train it with fit"):
        model.predict(EXAMPLES)
    model.fit(EXAMPLES, RIGHT, epochs=1, verbose=0)
    expected = model.predict(EXAMPLES)
    model.save(tmp_path / "model.keras")
    model.save_pretrained(tmp_path / "saved")
    read = MultipleChoice.from_pretrained(tmp_path / "saved")
    for again in (read, keras.saving.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(again.predict(EXAMPLES), expected, atol=1e-6)
        assert again.get_config()["max_length"] == 12


def test_an_encoder_alone_gets_a_new_head(tmp_path, chooser):
    chooser.encoder.save_pretrained(tmp_path, tokenizer=chooser.tokenizer)
    model = MultipleChoice.from_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="head of this MultipleChoice has not been trained"):
        assert model.choose("he sat", ["down", "up"]).index in (0, 1)


@pytest.mark.backend("tensorflow")
def test_a_data_set_is_read_as_lists_are(chooser):
    import tensorflow as tf

    def examples():
        yield from zip(EXAMPLES, RIGHT, strict=True)

    strings = tf.TensorSpec((), "string"), tf.TensorSpec([None], "string")
    signature = (strings, tf.TensorSpec((), "int32"))
    dataset = tf.data.Dataset.from_generator(examples, output_signature=signature)
    ours = chooser.evaluate(dataset, steps=1, batch_size=3, verbose=0)
    np.testing.assert_allclose(ours, chooser.evaluate(EXAMPLES[:3], RIGHT[:3], verbose=0))
    with pytest.raises(ValueError, match="A data set holds its labels"):
        chooser.evaluate(dataset, RIGHT, steps=1)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (["he sat"], [0], r"Expected a list of examples, got texts: make each \(text, choices"),
        ([("he", ["a", "b"], 0)], [0], r"x\[0\] is .* but must be \(text, choices\)"),
        ([("he", "down")], [0], r"x\[0\]\[1\] is a str, but must be a list of str"),
        ([("he", ["down", None])], [0], r"x\[0\]\[1\]\[1\] is None"),
        ([("he", ["down"])], [0], r"x\[0\] must have two choices at least, not 1"),
        (EXAMPLES, [0, 2, 0, 0], r"y\[1\] is 2, and x\[1\] has 2 choices: .* 0 to 1"),
        (EXAMPLES, [0, -1, 0, 0], r"y\[1\] is -1"),
        (EXAMPLES, [0, 1], r"Expected y to be 4 indices of choices, one for each text"),
        (EXAMPLES, ["down"] * 4, r"Expected y to be 4 indices of choices"),
        (EXAMPLES, None, "Got 4 texts with choices and no labels"),
        ([], [], "There is no text to train or evaluate on"),
    ],
)
def test_what_is_refused(chooser, x, y, message):
    with pytest.raises(UserError, match=message):
        chooser.evaluate(x, y)


@pytest.mark.parametrize("frozen", [False, True])
def test_smoothed_labels_are_of_the_choices_that_an_example_has(frozen):
    model = of_texts(freeze_encoder=frozen)
    expected = []
    for example, label in zip(EXAMPLES, RIGHT, strict=True):
        (scores,) = model.predict([example])
        share = np.full(len(scores), 0.2 / len(scores))
        share[label] += 0.8
        expected.append(-(share * np.log(np.exp(scores) / np.exp(scores).sum())).sum())
    recipe = model.recipe.change(label_smoothing=0.2, epochs=1, batch_size=4, learning_rate=0.0)
    with pytest.warns(UserWarning, match="has the weights that it had before"):
        history = model.fit(EXAMPLES, RIGHT, recipe=recipe, verbose=0).history
    if frozen:  # and so without dropout
        assert history["loss"] == [pytest.approx(np.mean(expected), rel=1e-5)]
    logs = model.evaluate(EXAMPLES, RIGHT, return_dict=True, verbose=0)
    assert logs["loss"] == pytest.approx(np.mean(expected), rel=1e-5)


def test_what_fit_refuses(chooser):
    with pytest.raises(UserError, match="class_weight is of classes, and choices are none"):
        chooser.fit(EXAMPLES, RIGHT, class_weight={0: 1.0})
    with pytest.raises(UserError, match="got 4 texts and 1 sample_weight"):
        chooser.fit(EXAMPLES, RIGHT, sample_weight=[1.0])


def test_generators_of_examples(chooser):
    expected = chooser.predict(EXAMPLES)
    np.testing.assert_array_equal(chooser.predict(one for one in EXAMPLES), expected)
    message = r"Expected examples, each \(text, choices\), .*, got a generator that gives more: .*"
    with pytest.raises(UserError, match=message + "a list of them and one of labels"):
        chooser.fit((pair for pair in zip(EXAMPLES, RIGHT, strict=True)), epochs=1)


@pytest.mark.parametrize(
    ("text", "choices", "message"),
    [
        (["he", "she"], [["sat", "ran"]] * 2, "choose takes one text: call it for each"),
        (None, ["sat", "ran"], "text is None"),
        ("he", "sat", "choices is a str, but must be a list of str"),
        ("he", ["sat"], "There must be two choices at least, not 1"),
        ("he", [], "There must be two choices at least, not 0"),
    ],
)
def test_what_choose_refuses(chooser, text, choices, message):
    with pytest.raises(UserError, match=message):
        chooser.choose(text, choices)
