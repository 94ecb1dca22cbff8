"""Several labels a text, and numbers: training, evaluation and answers."""

import keras
import numpy as np
import pytest
import sklearn.metrics
import sklearn.utils
from scipy.stats import pearsonr, spearmanr

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.private_api import all_layers
from kerasformer.tasks import TextClassifier, TransformerClassifier
from kerasformer.tasks.labels import class_weights_of_each, multi_hot
from kerasformer.text import WordPieceTokenizer, pack
from kerasformer.training import Recipe

pytestmark = pytest.mark.usefixtures("eager")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "dull", "film", "acting", "so", "truly"]
TEXTS = ["a fine film", "so dull", "fine acting", "truly dull film", "film", "so so"]
NAMES = ["good", "film", "plain"]
LABELS = [["good", "film"], [], ["good"], ["film"], ["film", "plain"], ["plain"]]
HOT = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]], "float32")
NUMBERS = [4.5, 1.0, 4.0, 2.0, 3.0, 2.5]
WEIGHTS = np.array([1, 2, 0, 1, 3, 1], "float32")


@pytest.fixture(scope="module")
def make():
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)

    def make(problem_type="multi_label_classification", class_names=NAMES, **options):
        keras.utils.set_random_seed(0)
        sizes = {"hidden_size": 12, "num_layers": 1, "num_heads": 3, "intermediate_size": 8}
        sizes |= {"vocab_size": len(WORDS), "max_length": 16, "initializer_range": 0.3}
        encoder = BertEncoder(EncoderConfig(dropout=0.0, attention_dropout=0.0, **sizes))
        options = {"dropout": 0.0, "problem_type": problem_type, **options}
        return TextClassifier(class_names, encoder, tokenizer, **options)

    make.tokenizer = tokenizer
    return make


def regression(make, outputs=1, **options):
    return make("regression", outputs, **options)


def cross_entropy():
    return keras.losses.BinaryCrossentropy(from_logits=True)


PROBLEMS = {
    "multi": (lambda make: make(), LABELS, HOT, cross_entropy),
    "regression": (regression, NUMBERS, np.array(NUMBERS)[:, None], keras.losses.MeanSquaredError),
}


@pytest.mark.parametrize("options", [{}, {"sample_weight": WEIGHTS}], ids=["plain", "weighted"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_training_is_kerass_with_its_loss(make, problem, options):
    of_problem, labels, targets, loss = PROBLEMS[problem]
    ours, theirs = of_problem(make), of_problem(make)
    recipe = Recipe(epochs=3, batch_size=6, learning_rate=0.01)
    history = ours.fit(TEXTS, labels, recipe=recipe, verbose=0, **options).history
    theirs.compile(recipe.optimizer(theirs, steps=3), loss())
    batch = pack(make.tokenizer.tokenize(TEXTS))
    expected = theirs.fit(batch, targets, batch_size=6, epochs=3, verbose=0, **options).history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-4)
    # Not the weights: where a gradient is 0 but for rounding, as of key biases, Adam still steps.
    np.testing.assert_allclose(ours.predict(TEXTS), theirs.predict(batch, verbose=0), atol=1e-3)


@pytest.mark.parametrize("options", [{}, {"sample_weight": WEIGHTS}], ids=["plain", "weighted"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_model_that_nobody_compiled_is_evaluated_too(make, problem, options):
    of_problem, labels, targets, loss = PROBLEMS[problem]
    model = of_problem(make)
    scores = model.evaluate(TEXTS, labels, return_dict=True, **options)
    each = loss()
    each.reduction = "none"
    losses = each(targets, model.predict(TEXTS))
    losses = keras.ops.convert_to_numpy(losses)
    expected = np.average(losses, weights=options.get("sample_weight"))
    assert scores["loss"] == pytest.approx(expected, rel=1e-5)


def test_several_labels_are_measured_one_against_the_rest(make):
    model = make()
    model.fit(TEXTS, LABELS, epochs=3, learning_rate=0.02, verbose=0)
    scores = model.evaluate(TEXTS, LABELS, return_dict=True)
    predicted = (model.predict_proba(TEXTS) >= 0.5).astype(int)
    f1 = sklearn.metrics.f1_score(HOT, predicted, average="macro", zero_division=0)
    assert scores["f1"] == pytest.approx(f1)
    assert scores["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(HOT, predicted))
    values = model.evaluate(TEXTS, HOT)
    assert values == pytest.approx([scores["loss"], scores["accuracy"]])
    names = [[NAMES[i] for i in np.flatnonzero(row)] for row in predicted]
    assert model.classify(TEXTS) == names
    assert model.classify(TEXTS, threshold=0.0) == [NAMES] * 6
    only_first = model.classify(TEXTS, threshold=[0.0, 1.1, 1.1])
    assert only_first == [["good"]] * 6


def test_numbers_are_measured_by_correlation(make):
    model = regression(make)
    history = model.fit(
        TEXTS, NUMBERS, validation_data=(TEXTS, NUMBERS), epochs=3, learning_rate=0.02, verbose=0
    ).history
    scores, predicted = model.evaluate(TEXTS, NUMBERS, return_dict=True), model.predict(TEXTS)[:, 0]
    assert scores["pearson"] == pytest.approx(pearsonr(NUMBERS, predicted).statistic, abs=1e-5)
    assert scores["spearman"] == pytest.approx(spearmanr(NUMBERS, predicted).statistic, abs=1e-5)
    assert scores["loss"] == pytest.approx(scores["mse"], rel=1e-5)
    assert model.evaluate(TEXTS, NUMBERS) == pytest.approx(history["val_loss"][-1], rel=1e-4)
    assert "accuracy" not in history
    several = regression(make, outputs=2)
    two = np.stack([NUMBERS, NUMBERS[::-1]], axis=1)
    several.fit(TEXTS, two, epochs=1, verbose=0)
    assert len(several.evaluate(TEXTS, two, return_dict=True)["per_output"]) == 2


def test_a_loss_compiled_by_hand_wins(make):
    for model, labels, loss in (
        (make(), LABELS, keras.losses.BinaryFocalCrossentropy(from_logits=True)),
        (regression(make), NUMBERS, keras.losses.MeanAbsoluteError()),
    ):
        model.compile("sgd", loss)
        model.fit(TEXTS, labels, epochs=1, sample_weight=WEIGHTS, verbose=0)
        assert model.loss is loss
        with pytest.raises(UserError, match="class_weight='balanced'"):
            model.fit(TEXTS, labels, class_weight="balanced", verbose=0)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_frozen_encoder_and_its_features_are_trained_on_alike(make, problem):
    _, labels, _, _ = PROBLEMS[problem]
    kind = {} if problem == "multi" else {"problem_type": "regression", "class_names": 1}
    cached, by_features = (make(freeze_encoder=True, **kind) for _ in range(2))
    options = {"epochs": 2, "verbose": 0}
    by_features.fit_head(by_features.features(TEXTS), labels, **options)
    keras.utils.set_random_seed(0)
    kernel = by_features.head.kernel_initializer.clone()
    cached.head.kernel.assign(kernel(cached.head.kernel.shape))
    cached.fit(TEXTS, labels, **options)
    np.testing.assert_allclose(cached.predict(TEXTS), by_features.predict(TEXTS), atol=1e-5)


def test_scratch_words_take_several_labels_too():
    model = TransformerClassifier(
        NAMES, 60, 8, hidden_size=8, problem_type="multi_label_classification"
    )
    model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    assert len(model.classify(TEXTS)) == 6


# Weights of classes


def test_a_weight_of_a_class_is_that_of_the_texts_that_have_it(make):
    """As the `pos_weight` of PyTorch's BCEWithLogitsLoss."""
    model = make()
    model.fit(TEXTS, LABELS, epochs=1, learning_rate=0.0, class_weight={"good": 5.0}, verbose=0)
    logits = model.predict(TEXTS).astype("float64")
    each = np.logaddexp(0, np.where(HOT == 1, -logits, logits))
    each[:, 0] *= np.where(HOT[:, 0] == 1, 5, 1)
    assert model.history.history["loss"][0] == pytest.approx(each.mean(), rel=1e-4)


def test_balanced_is_scikit_learns_of_each_class():
    weights = class_weights_of_each(HOT, NAMES, "balanced")
    for column, labels in zip(weights.T, HOT.T, strict=True):
        expected = sklearn.utils.class_weight.compute_sample_weight("balanced", labels)
        np.testing.assert_allclose(column, expected, rtol=1e-6)
    weighted = class_weights_of_each(HOT, NAMES, "balanced", WEIGHTS)
    np.testing.assert_allclose(weighted, weights * WEIGHTS[:, None])


# What is wrong is one sentence


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["good"], ["goood"], [], [], [], []], r"labels\[1\] has 'goood', which is not one of"),
        (["good"] * 6, r"labels\[0\] is 'good', but this model is of several labels: give a list"),
        (HOT[:, :2], r"labels of 0 and 1 for 3 classes, got values up to 1 .* shape \(6, 2\)"),
        (HOT * 0.5, "labels of 0 and 1 for 3 classes, got values up to 0.5"),
        (LABELS[:5], "6 texts and 5 labels"),
        (None, "no labels"),
    ],
)
def test_labels_that_are_no_lists_of_classes(make, labels, message):
    for call in (make().fit, make().evaluate):
        with pytest.raises(UserError, match=message) as error:
            call(TEXTS, labels, verbose=0)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["high"] * 6, "expected one number for each text as labels, got 'high'"),
        (np.ones((6, 2)), r"one number for each text as labels, got .* of shape \(6, 2\)"),
        ([1.0, np.nan, 1.0, 1.0, 1.0, 1.0], r"labels\[1\] is \[nan\]: expected finite numbers"),
    ],
)
def test_labels_that_are_no_numbers(make, labels, message):
    with pytest.raises(UserError, match=message):
        regression(make).fit(TEXTS, labels, verbose=0)


def test_what_is_not_of_the_problem_is_refused(make):
    with pytest.raises(UserError, match=r"class_weight='balanced' is of classes.*sample_weight"):
        regression(make).fit(TEXTS, NUMBERS, class_weight="balanced", verbose=0)
    with pytest.raises(UserError, match="neither a probability nor one for each of the 3 classes"):
        make().classify(TEXTS, threshold=[0.5, 0.5])
    single = make("single_label_classification")
    with pytest.raises(UserError, match=r"threshold=0\.5 is for several labels"):
        single.classify(TEXTS, threshold=0.5)
    with pytest.raises(UserError, match='problem_type="multi_label_classification"'):
        single.fit(TEXTS, LABELS, verbose=0)


def test_lists_of_names_in_any_form():
    one_each = np.array([["good"], ["plain"]])
    assert multi_hot(one_each, NAMES).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert multi_hot(np.array([[], []]), NAMES).tolist() == [[0, 0, 0]] * 2
    objects = np.empty(2, object)
    objects[:] = [np.array(["film"]), (b"good", "plain")]
    assert multi_hot(objects, NAMES).tolist() == [[0, 1, 0], [1, 0, 1]]


# Heads that are new


@pytest.mark.filterwarnings("error:The head of this")
def test_only_a_new_head_that_was_not_trained_is_warned_of(make, tmp_path):
    model = make("single_label_classification")
    with pytest.warns(UserWarning, match="has not been trained"):
        model.classify(TEXTS)
    names = ["good", "film", "plain", "good", "film", "plain"]
    model.fit(TEXTS, names, epochs=1, learning_rate=0.0, verbose=0)
    assert not np.any(keras.ops.convert_to_numpy(model.head.bias))
    model.classify(TEXTS)
    model.save(tmp_path / "model.keras")
    keras.saving.load_model(tmp_path / "model.keras").classify(TEXTS)
    model.save_pretrained(tmp_path / "folder")
    TextClassifier.from_pretrained(tmp_path / "folder").classify(TEXTS)


def test_a_tokenizers_length_comes_back_from_keras(make, tmp_path):
    model = make()
    model.tokenizer.max_length = 12
    try:
        model.save(tmp_path / "model.keras")
    finally:
        model.tokenizer.max_length = None
    assert keras.saving.load_model(tmp_path / "model.keras").tokenizer.max_length == 12


def test_features_are_traced_once(make):
    model = make(freeze_encoder=True)
    first = model.features(TEXTS)
    extractor = model._extractor
    np.testing.assert_array_equal(model.features(TEXTS), first)
    assert model._extractor is extractor
    assert not [layer for layer in model.layers if layer is extractor.model]
    (dense,) = (part for part in all_layers(model.encoder) if part.name == "intermediate")
    dense.enable_lora(2)
    model.features(TEXTS)
    assert model._extractor is not extractor


@pytest.mark.parametrize("problem", PROBLEMS)
def test_its_problem_comes_back_and_a_new_head_may_have_another(make, problem, tmp_path):
    model = PROBLEMS[problem][0](make)
    model.head.bias.assign(np.arange(1.0, 1 + len(model.class_names)))
    model.save_pretrained(tmp_path)
    again = TextClassifier.from_pretrained(tmp_path)
    assert (again.problem_type, again.class_names) == (model.problem_type, model.class_names)
    np.testing.assert_allclose(again.predict(TEXTS), model.predict(TEXTS), atol=1e-5)
    new = TextClassifier.from_pretrained(tmp_path, 1, problem_type="regression", new_head=True)
    new.fit(TEXTS, NUMBERS, epochs=1, verbose=0)
    assert "pearson" in new.evaluate(TEXTS, NUMBERS, return_dict=True)
