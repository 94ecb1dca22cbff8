"""What `save_pretrained` writes, read by transformers' own classes."""

import json

import keras
import numpy as np
import pytest
from safetensors import safe_open

from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import (
    MaskedLanguageModel,
    NextSentencePredictor,
    PretrainingModel,
    QuestionAnswerer,
    TextClassifier,
    TokenClassifier,
)
from kerasformer.text import WordPieceTokenizer

from .models import logits_of, random_inputs, theirs_of

pytestmark = pytest.mark.oracle

TINY = 1e-5
NAMES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b"]
TOKENIZER = WordPieceTokenizer.from_vocabulary(NAMES, lowercase=False)
CLASSES = ["contradicción", "entailment", "neutral"]
TEXTS = ["ab ba", "a", "bb a b b a", "A"]


def make_encoder(seed=0, dtype=None, **changes):
    """An encoder of awkward sizes, none of whose weights is as it began."""
    sizes = {"vocab_size": 97, "hidden_size": 36, "num_layers": 3, "num_heads": 3}
    sizes |= {"intermediate_size": 52, "max_length": 41, "pad_token_id": 3}
    sizes |= {"dropout": 0.2, "attention_dropout": 0.15, "initializer_range": 0.02}
    encoder = BertEncoder(EncoderConfig(**{**sizes, **changes}), dtype=dtype)
    shake(encoder, seed)
    return encoder


def shake(layer, seed):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        value = keras.ops.convert_to_numpy(weight.value)
        weight.assign(value + rng.normal(scale=0.15, size=value.shape).astype(value.dtype))


def load(transformers, folder, auto, **options):
    """By an Auto class, which takes the architecture from config.json, with nothing amiss."""
    model, report = getattr(transformers, auto).from_pretrained(
        folder, output_loading_info=True, **options
    )
    assert not any(report.values()), report
    return model.eval()


def ours(model, batch):
    return [keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(model(batch))]


ELECTRA = {"embedding_size": 20, "pooler": False}


@pytest.mark.parametrize(
    ("changes", "architecture"),
    [
        ({}, "BertModel"),
        ({"activation": "gelu_tanh"}, "BertModel"),
        ({"activation": "relu", "layer_norm_epsilon": 1e-3, "type_vocab_size": 5}, "BertModel"),
        (ELECTRA, "ElectraModel"),
    ],
    ids=str,
)
def test_an_encoder(torch, transformers, tmp_path, changes, architecture):
    encoder = make_encoder(**changes)
    encoder.save_pretrained(tmp_path, TOKENIZER)
    model = load(transformers, tmp_path, "AutoModel")
    assert type(model).__name__ == architecture
    for length in (1, 23, 41):
        batch = random_inputs(model.config, length)
        theirs = theirs_of(torch, model, batch, output_hidden_states=True)
        outputs = encoder(batch, outputs=["embedding_output", "encoder_outputs"])
        states = [outputs["embedding_output"], *outputs["encoder_outputs"]]
        for mine, other in zip(states, theirs.hidden_states, strict=True):
            np.testing.assert_allclose(mine, other.numpy(), atol=TINY, rtol=0)
        if encoder.pooler:
            pooled = encoder(batch, outputs=["default"])["default"]
            np.testing.assert_allclose(pooled, theirs.pooler_output.numpy(), atol=TINY, rtol=0)


def test_an_encoder_without_a_pooler(torch, transformers, tmp_path):
    encoder = make_encoder(pooler=False)
    encoder.save_pretrained(tmp_path)
    model = load(transformers, tmp_path, "AutoModel", add_pooling_layer=False)
    batch = random_inputs(model.config, 23)
    theirs = theirs_of(torch, model, batch).last_hidden_state.numpy()
    np.testing.assert_allclose(encoder(batch)["sequence_output"], theirs, atol=TINY, rtol=0)


AUTO = {
    MaskedLanguageModel: "AutoModelForMaskedLM",
    NextSentencePredictor: "AutoModelForNextSentencePrediction",
    PretrainingModel: "AutoModelForPreTraining",
    TokenClassifier: "AutoModelForTokenClassification",
    QuestionAnswerer: "AutoModelForQuestionAnswering",
}


@pytest.mark.parametrize(
    ("task", "auto", "changes"),
    [
        (task, auto, changes)
        for task, auto in AUTO.items()
        for changes in ({}, {"pooler": False}, ELECTRA)
        if changes.get("pooler", True) or not task.NEEDS_POOLER
    ],
)
def test_a_task(torch, transformers, tmp_path, task, auto, changes):
    names = {"class_names": CLASSES} if task is TokenClassifier else {}
    mine = task(encoder=make_encoder(**changes), tokenizer=TOKENIZER, **names)
    for layer in mine.heads.values():
        shake(layer, 3)
    mine.save_pretrained(tmp_path)
    model = load(transformers, tmp_path, auto)
    for length in (1, 23):
        batch = random_inputs(model.config, length)
        for one, other in zip(ours(mine, batch), logits_of(torch, model, batch), strict=True):
            np.testing.assert_allclose(one, other, atol=TINY, rtol=0)
    if names:
        assert model.config.id2label == dict(enumerate(CLASSES))
        assert model.config.label2id == {name: i for i, name in enumerate(CLASSES)}
        assert model.config.classifier_dropout == 0.2


def test_a_classifier_of_the_pooled_vector(torch, transformers, tmp_path):
    classifier = TextClassifier(CLASSES, make_encoder(), TOKENIZER, pooling="pooled", dropout=0.4)
    shake(classifier.head, 3)
    classifier.save_pretrained(tmp_path)
    model = load(transformers, tmp_path, "AutoModelForSequenceClassification")
    assert model.config.classifier_dropout == 0.4
    batch = random_inputs(model.config, 23)
    (logits,) = logits_of(torch, model, batch)
    np.testing.assert_allclose(classifier(batch), logits, atol=TINY, rtol=0)
    pipeline = transformers.pipeline("text-classification", str(tmp_path))
    guesses = pipeline(TEXTS)
    assert [guess["label"] for guess in guesses] == classifier.classify(TEXTS)
    scores = [guess["score"] for guess in guesses]
    np.testing.assert_allclose(classifier.predict_proba(TEXTS).max(axis=1), scores, atol=TINY)


@pytest.mark.parametrize("changes", [{}, {"embedding_size": 20, "pooler": False}], ids=str)
def test_any_other_classifier_is_an_encoder_there(torch, transformers, tmp_path, changes):
    classifier = TextClassifier(CLASSES, make_encoder(**changes), TOKENIZER, layers="all")
    classifier.save_pretrained(tmp_path)
    model, report = transformers.AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert set(report.pop("unexpected_keys")) == {
        "kerasformer.classifier.weight",
        "kerasformer.classifier.bias",
    }
    assert not any(report.values()), report
    batch = random_inputs(model.config, 23)
    theirs = theirs_of(torch, model.eval(), batch).last_hidden_state.numpy()
    mine = classifier.encoder(batch)["sequence_output"]
    np.testing.assert_allclose(mine, theirs, atol=TINY, rtol=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays(torch, transformers, tmp_path, dtype):
    encoder = make_encoder(dtype=dtype, num_layers=1)
    encoder.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        types = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert types == {getattr(torch, dtype)}
    model = load(transformers, tmp_path, "AutoModel")
    assert model.dtype == getattr(torch, dtype)
    exact = BertEncoder.from_pretrained(tmp_path)
    batch = random_inputs(model.config, 23)
    theirs = theirs_of(torch, model.float(), batch).last_hidden_state.numpy()
    np.testing.assert_allclose(exact(batch)["sequence_output"], theirs, atol=TINY, rtol=0)


def test_the_tokenizer_goes_with_it(transformers, tmp_path):
    make_encoder().save_pretrained(tmp_path, TOKENIZER)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(TEXTS, TEXTS[::-1])["input_ids"] == TOKENIZER.tokenize(TEXTS, TEXTS[::-1]).ids


@pytest.mark.parametrize(
    "name", ["BertForPreTraining", "BertForSequenceClassification", "ElectraForMaskedLM"]
)
def test_there_and_back_changes_no_bit(torch, random_model, tmp_path, name):
    """transformers' own file, read and written: the same tensors and the same configuration."""
    options = {"num_labels": 3} if "Sequence" in name else {}
    _, folder = random_model(name, **options)
    (folder / "vocab.txt").write_text("\n".join(NAMES))
    tasks = {
        "BertForPreTraining": PretrainingModel,
        "BertForSequenceClassification": TextClassifier,
        "ElectraForMaskedLM": MaskedLanguageModel,
    }
    tasks[name].from_pretrained(folder).save_pretrained(tmp_path / "back")
    with (
        safe_open(folder / "model.safetensors", framework="np") as first,
        safe_open(tmp_path / "back" / "model.safetensors", framework="np") as second,
    ):
        assert set(first.keys()) == set(second.keys())
        for tensor in first.keys():  # noqa: SIM118
            np.testing.assert_array_equal(first.get_tensor(tensor), second.get_tensor(tensor))
    before = json.loads((folder / "config.json").read_text())
    after = json.loads((tmp_path / "back" / "config.json").read_text())
    both = before.keys() & after.keys() - {"classifier_dropout"}  # null there: the encoder's
    assert {"architectures", "hidden_size", "layer_norm_eps", "model_type"} <= both
    assert {key: after[key] for key in both} == {key: before[key] for key in both}
