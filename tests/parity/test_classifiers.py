"""Classifiers of sequences and of choices, of all three kinds, against transformers."""

import json

import keras
import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.io.safetensors_file import open_tensors
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.tasks import MultipleChoice, TextClassifier, load
from kerasformer.text import pack

from .models import logits_of, random_inputs, theirs_of, write_tokenizer

pytestmark = pytest.mark.oracle

KINDS = ("Bert", "DistilBert", "Electra")
PROBLEMS = {
    "single": {"num_labels": 3},
    "multi": {"num_labels": 3, "problem_type": "multi_label_classification"},
    "regression": {"num_labels": 1},
    "numbers": {"num_labels": 2, "problem_type": "regression"},
}
TEXTS = ["ab ba", "a", "bb a b b a"]


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def assert_equal(torch, model, task, length=23):
    batch = random_inputs(model.config, length, segments=model.config.model_type != "distilbert")
    (theirs,) = logits_of(torch, model, batch)
    np.testing.assert_allclose(array(task(batch)), theirs, atol=1e-5, rtol=0)


@pytest.fixture
def classifier(random_model):
    def make(kind="Bert", problem="single", **options):
        name = f"{kind}ForSequenceClassification"
        model, folder = random_model(name, **{**PROBLEMS[problem], **options})
        write_tokenizer(folder)
        return model, folder

    return make


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_classifier_is_read_and_written(torch, transformers, classifier, tmp_path, kind, problem):
    model, folder = classifier(kind, problem)
    ours = TextClassifier.from_pretrained(folder)
    assert ours.pooling == "pooled"
    assert ours.dropout == {"DistilBert": 0.2}.get(kind, 0.3)
    assert_equal(torch, model, ours)
    encoded = transformers.AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = model(**encoded).logits.numpy()
    np.testing.assert_allclose(ours.predict(TEXTS), theirs, atol=1e-5)

    ours.save_pretrained(tmp_path / "saved")
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    again, report = loaded
    assert type(again) is type(model)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert again.config.problem_type == (ours.problem_type if problem != "single" else None)
    assert_equal(torch, again.eval(), ours)
    assert_equal(torch, model, TextClassifier.from_pretrained(tmp_path / "saved"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("problem", ["single", "multi"])
def test_the_answers_are_those_of_their_pipeline(transformers, classifier, kind, problem):
    _, folder = classifier(kind, problem)
    ours = load(folder)
    pipeline = transformers.pipeline("text-classification", str(folder), top_k=None)
    expected = [
        {guess["label"]: guess["score"] for guess in guesses} for guesses in pipeline(TEXTS)
    ]
    scores = [[row[name] for name in ours.class_names] for row in expected]
    np.testing.assert_allclose(ours.predict_proba(TEXTS), scores, atol=1e-5)
    if problem == "single":
        assert ours.classify(TEXTS) == [max(row, key=row.get) for row in expected]
    else:
        names = ours.class_names
        assert ours.classify(TEXTS) == [[n for n in names if row[n] >= 0.5] for row in expected]


def test_numbers_have_no_classes(classifier):
    _, folder = classifier(problem="regression")
    ours = TextClassifier.from_pretrained(folder, ["stars"])
    assert (ours.class_names, ours.problem_type) == (("stars",), "regression")
    for ask in (ours.predict_proba, ours.classify):
        with pytest.raises(UserError, match=r"returns numbers \(regression\).*: use predict"):
            ask(TEXTS)


@pytest.mark.parametrize("problem", ["multi", "regression"])
def test_tensors_are_trained_on_as_the_model_was_compiled(classifier, problem):
    _, folder = classifier(problem=problem)
    ours = TextClassifier.from_pretrained(folder)
    ours.compile(keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    targets = np.ones((3, len(ours.class_names)), "float32")
    ours.fit(pack(ours.tokenize(TEXTS)), targets, epochs=1, verbose=0)
    assert (ours.predict(TEXTS) != TextClassifier.from_pretrained(folder).predict(TEXTS)).any()


def test_what_it_is_comes_back_from_keras(classifier, tmp_path):
    _, folder = classifier("DistilBert", "multi")
    ours = TextClassifier.from_pretrained(folder)
    ours.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.problem_type == "multi_label_classification"
    np.testing.assert_allclose(again.predict_proba(TEXTS), ours.predict_proba(TEXTS), atol=1e-6)


@pytest.mark.parametrize("kind", ["DistilBert", "Electra"])
def test_a_trained_one_goes_back_to_its_kind(torch, transformers, classifier, tmp_path, kind):
    """Training changes the segment that DistilBERT has no weights for, too."""
    _, folder = classifier(kind)
    ours = TextClassifier.from_pretrained(folder, ["a", "b", "c"])
    ours.fit(TEXTS, ["a", "b", "c"], epochs=2, learning_rate=1e-2, verbose=0)
    ours.save_pretrained(tmp_path / "trained")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "trained")
    encoded = transformers.AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = model.eval()(**encoded).logits.numpy()
    np.testing.assert_allclose(ours.predict(TEXTS), theirs, atol=1e-5)
    assert type(model).__name__ == f"{kind}ForSequenceClassification"


def test_segments_that_distilbert_lacks_are_refused(classifier, tmp_path):
    _, folder = classifier("DistilBert")
    ours = TextClassifier.from_pretrained(folder)
    segments = ours.encoder.embedding.type_embeddings.embeddings
    segments.assign(np.random.default_rng(0).normal(size=segments.shape))
    with pytest.raises(UserError, match=r"DistilBERT has no segments.* a \.keras file"):
        ours.save_pretrained(tmp_path / "saved")


@pytest.mark.parametrize("kind", ["DistilBert", "Electra"])
def test_the_encoder_alone_is_written_without_the_heads_layer(torch, classifier, tmp_path, kind):
    model, folder = classifier(kind)
    BertEncoder.from_pretrained(folder).save_pretrained(tmp_path / "encoder")
    assert not any("pool" in name or "class" in name for name in open_tensors(tmp_path / "encoder"))
    batch = random_inputs(model.config, 17, segments=False)
    theirs = theirs_of(torch, model.base_model, batch).last_hidden_state.numpy()
    ours = BertEncoder.from_pretrained(tmp_path / "encoder")(batch)["sequence_output"]
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_without_architectures(torch, classifier, kind):
    model, folder = classifier(kind)
    path = folder / "config.json"
    values = json.loads(path.read_text())
    del values["architectures"]
    path.write_text(json.dumps(values))
    assert open_checkpoint(folder).architecture == f"{kind}ForSequenceClassification"
    assert_equal(torch, model, TextClassifier.from_pretrained(folder))


# Names and new heads


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("problem", ["single", "multi"])
def test_names_rename_the_trained_head(torch, classifier, kind, problem):
    model, folder = classifier(kind, problem)
    ours = TextClassifier.from_pretrained(folder, ["x", "y", "z"])
    assert ours.class_names == ("x", "y", "z")
    assert_equal(torch, model, ours)
    with pytest.raises(UserError, match=r"3 classes, and class_names has 2: .* or new_head=True"):
        TextClassifier.from_pretrained(folder, ["no", "yes"])
    new = TextClassifier.from_pretrained(folder, ["no", "yes"], new_head=True)
    assert (new.pooling, new.problem_type) == ("mean", "single_label_classification")


def test_names_that_are_there_twice(torch, classifier):
    model, folder = classifier(id2label={0: "a", 1: "b", 2: "a"})
    with pytest.raises(UserError, match="does not name the 3 classes of its classifier, each in"):
        TextClassifier.from_pretrained(folder)
    assert_equal(torch, model, TextClassifier.from_pretrained(folder, ["a", "b", "c"]))


def test_other_vectors_than_the_trained_ones_are_told(classifier):
    _, folder = classifier()
    with pytest.raises(UserError, match="was trained with pooling='pooled': ask for the same"):
        TextClassifier.from_pretrained(folder, pooling="cls")
    with pytest.warns(UserWarning, match=r"head of .* was trained with pooling='pooled'\. The new"):
        TextClassifier.from_pretrained(folder, ["a", "b", "c"], pooling="cls")


# Multiple choice


@pytest.mark.parametrize("kind", KINDS)
def test_multiple_choice(torch, transformers, random_model, tmp_path, kind):
    model, folder = random_model(f"{kind}ForMultipleChoice")
    ours = load(folder)
    assert isinstance(ours, MultipleChoice)
    batch = random_inputs(model.config, 17, segments=kind != "DistilBert")
    choices = {name: np.stack([rows, rows[::-1]], axis=1) for name, rows in batch.items()}
    (theirs,) = logits_of(torch, model, choices)
    assert theirs.shape == (5, 2)
    np.testing.assert_allclose(array(ours(choices)), theirs, atol=1e-5, rtol=0)
    ours.save_pretrained(tmp_path / "saved")
    again = transformers.AutoModelForMultipleChoice.from_pretrained(tmp_path / "saved").eval()
    np.testing.assert_allclose(logits_of(torch, again, choices)[0], theirs, atol=1e-5, rtol=0)
    reread = MultipleChoice.from_pretrained(tmp_path / "saved")
    np.testing.assert_allclose(array(reread(choices)), theirs, atol=1e-5, rtol=0)


def test_choices_of_texts_and_their_loss(torch, transformers, random_model):
    """The examples of a batch as their documentation has them: each choice with its text."""
    model, folder = random_model("BertForMultipleChoice")
    write_tokenizer(folder)
    ours, tokenizer = load(folder), transformers.AutoTokenizer.from_pretrained(folder)
    examples = [("ab ba b", ["a", "bb", "aab"]), ("b" + " a" * 50, ["ba ba", "a", "b b b"])]
    encoded = tokenizer(
        [text for text, choices in examples for _ in choices],
        [choice for _, choices in examples for choice in choices],
        truncation=True,
        max_length=41,
        padding=True,
        return_tensors="pt",
    )
    batch = {name: tensor.view(2, 3, -1) for name, tensor in encoded.items()}
    with torch.no_grad():
        theirs = model(**batch, labels=torch.tensor([2, 0]))
    np.testing.assert_allclose(ours.predict(examples), theirs.logits.numpy(), atol=1e-5)
    metrics = ours.evaluate(examples, [2, 0], return_dict=True, verbose=0)
    assert metrics["loss"] == pytest.approx(float(theirs.loss), abs=1e-5)
    for example, logits in zip(examples, theirs.logits, strict=True):
        best = ours.choose(*example)
        assert best.index == logits.argmax().item()
        np.testing.assert_allclose(best.scores, logits.softmax(-1).numpy(), atol=1e-5)


@pytest.mark.parametrize("key", ["summary_type", "summary_use_proj", "summary_activation"])
def test_another_summary_is_refused(random_model, key):
    _, folder = random_model("ElectraForMultipleChoice")
    path = folder / "config.json"
    values = json.loads(path.read_text()) | {key: {"summary_type": "mean"}.get(key)}
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match="its summary is not a dense layer with GELU over"):
        MultipleChoice.from_pretrained(folder)
    assert BertEncoder.from_pretrained(folder).pooler is None
