"""One step of training on texts, and ranking, against transformers and sentence-transformers."""

import keras
import numpy as np
import pytest

from kerasformer.tasks import TextClassifier

from .models import write_tokenizer

pytestmark = pytest.mark.oracle

PAIRS = [("ab ba", "a b"), ("a", "bb a b b a"), ("bb a b b a", "ab")]
SINGLES = [first for first, _ in PAIRS]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
PROBLEMS = {
    "single": ({"num_labels": 3}, [2, 0, 1]),
    "multi": (
        {"num_labels": 3, "problem_type": "multi_label_classification"},
        np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], "float32"),
    ),
    "regression": ({"num_labels": 1}, np.array([0.5, -2.0, 1.5], "float32")),
    "numbers": (
        {"num_labels": 2, "problem_type": "regression"},
        np.array([[0.5, 1.0], [-2.0, 0.0], [1.5, 3.0]], "float32"),
    ),
}


@pytest.fixture
def classifier(random_model):
    def make(kind="Bert", **options):
        name = f"{kind}ForSequenceClassification"
        model, folder = random_model(name, **NO_DROPOUT, **options)
        write_tokenizer(folder)
        return model, folder

    return make


def encoded(transformers, folder, texts):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    columns = map(list, zip(*texts, strict=True)) if isinstance(texts[0], tuple) else [texts]
    return tokenizer(*columns, padding=True, return_tensors="pt")


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("texts", [PAIRS, SINGLES], ids=["pairs", "texts"])
def test_a_step_is_theirs(torch, transformers, classifier, problem, texts):
    """Its loss, and all weights after it, which follow from the gradients."""
    options, labels = PROBLEMS[problem]
    model, folder = classifier(**options)
    ours = TextClassifier.from_pretrained(folder)
    assert ours.dropout == 0.0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    theirs = model(**encoded(transformers, folder, texts), labels=torch.tensor(labels))
    theirs.loss.backward()
    optimizer.step()

    data = ours._batches(ours._read(texts, labels), 3, in_order=True)
    ours.compile(keras.optimizers.SGD(0.1), ours._loss_for(data))
    loss = ours.fit(texts, labels, batch_size=3, epochs=1, verbose=0).history["loss"][0]
    assert loss == pytest.approx(theirs.loss.item(), rel=1e-5)
    with torch.no_grad():
        after = model.eval()(**encoded(transformers, folder, texts)).logits.numpy()
    np.testing.assert_allclose(ours.predict(texts), after, atol=1e-5)
    kernel = keras.ops.convert_to_numpy(ours.head.kernel)
    np.testing.assert_allclose(kernel, model.classifier.weight.detach().numpy().T, atol=1e-6)
    table = keras.ops.convert_to_numpy(ours.encoder.embedding.word_embeddings.embeddings)
    words = model.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_allclose(table, words, atol=1e-6)
    segments = keras.ops.convert_to_numpy(ours.encoder.embedding.type_embeddings.embeddings)
    rows = model.bert.embeddings.token_type_embeddings.weight.detach().numpy()
    np.testing.assert_allclose(segments, rows, atol=1e-6)


@pytest.mark.parametrize("kind", ["Bert", "DistilBert"])
def test_pairs_are_classified_and_saved_as_theirs(
    torch, transformers, random_model, tmp_path, kind
):
    model, folder = random_model(f"{kind}ForSequenceClassification", num_labels=2)
    write_tokenizer(folder)
    ours = TextClassifier.from_pretrained(folder)
    with torch.no_grad():
        theirs = model(**encoded(transformers, folder, PAIRS)).logits.numpy()
    np.testing.assert_allclose(ours.predict(PAIRS), theirs, atol=1e-5)
    ours.fit(PAIRS, [0, 1, 1], epochs=1, learning_rate=1e-2, verbose=0)
    ours.save_pretrained(tmp_path / "saved")
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    with torch.no_grad():
        theirs = again.eval()(**encoded(transformers, folder, PAIRS)).logits.numpy()
    np.testing.assert_allclose(ours.predict(PAIRS), theirs, atol=1e-5)


def test_texts_are_ranked_as_by_their_cross_encoder(sentence_transformers, classifier, tmp_path):
    _, folder = classifier(num_labels=1)
    theirs = sentence_transformers.CrossEncoder(str(folder), device="cpu")
    theirs.save_pretrained(str(tmp_path / "saved"))
    texts = ["a b", "bb a b b a", "ab", "ba ba ba", "b"]
    expected = theirs.rank("ab ba", texts, return_documents=True)
    for source in (folder, tmp_path / "saved"):
        ours = TextClassifier.from_pretrained(source)
        assert ours.problem_type == "regression"
        ranked = ours.rank("ab ba", texts)
        assert [one["index"] for one in ranked] == [one["corpus_id"] for one in expected]
        assert [one["text"] for one in ranked] == [one["text"] for one in expected]
        numbers = np.array([one["score"] for one in ranked])
        np.testing.assert_allclose(
            1 / (1 + np.exp(-numbers)), [one["score"] for one in expected], atol=1e-5
        )
        assert ours.rank("ab ba", texts, top_k=2) == ranked[:2]


def test_a_model_from_scratch_is_read_by_transformers(torch, transformers, tmp_path):
    from kerasformer.models import EncoderConfig

    sizes = {"hidden_size": 12, "num_layers": 1, "num_heads": 3, "intermediate_size": 8}
    config = EncoderConfig(vocab_size=40, max_length=16, **sizes)
    ours = TextClassifier.from_scratch(["no", "yes"], config=config, pooling="pooled")
    ours.fit(PAIRS, ["no", "yes", "yes"], epochs=1, verbose=0)
    ours.save_pretrained(tmp_path)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert model.config.id2label == {0: "no", 1: "yes"}
    with torch.no_grad():
        theirs = model(**encoded(transformers, tmp_path, PAIRS)).logits.numpy()
    np.testing.assert_allclose(ours.predict(PAIRS), theirs, atol=1e-5)
