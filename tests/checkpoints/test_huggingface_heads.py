"""Heads in the Hugging Face layout: which are read, what config.json says of them, refusals."""

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from kerasformer.checkpoints import open_checkpoint
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import (
    MaskedLanguageModel,
    NextSentencePredictor,
    QuestionAnswerer,
    TextClassifier,
    TokenClassifier,
)
from kerasformer.text import WordPieceTokenizer

TOKENIZER = WordPieceTokenizer.from_vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"])
CONFIG = EncoderConfig(
    vocab_size=20, hidden_size=6, num_layers=2, num_heads=2, intermediate_size=5, max_length=7
)
SEQUENCES, TOKENS = "BertForSequenceClassification", "BertForTokenClassification"
IDS = np.array([[2, 4, 5, 3], [2, 5, 3, 0]], "int32")


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    BertEncoder(CONFIG).save_pretrained(folder, TOKENIZER)
    return folder


@pytest.fixture
def write(encoder_folder, tmp_path):
    """Writes the encoder with further tensors under their own names, and changes of config.json."""

    def write(extra=None, prefix="bert.", without=(), **changes):
        tensors = load_file(encoder_folder / "model.safetensors")
        tensors = {prefix + n: t for n, t in tensors.items() if not n.startswith(without)}
        save_file(tensors | (extra or {}), tmp_path / "model.safetensors")
        values = json.loads((encoder_folder / "config.json").read_text()) | changes
        values = {key: value for key, value in values.items() if value is not ...}
        (tmp_path / "config.json").write_text(json.dumps(values))
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (tmp_path / name).write_bytes((encoder_folder / name).read_bytes())
        return tmp_path

    return write


def classifier(classes, width=6):
    rng = np.random.default_rng(0)
    return {
        "classifier.weight": rng.normal(size=(classes, width)).astype("float32"),
        "classifier.bias": rng.normal(size=classes).astype("float32"),
    }


def test_a_dense_head_is_read_as_torch_has_it(write):
    head = classifier(3)
    task = TokenClassifier.from_pretrained(write(head, architectures=[TOKENS]))
    tokens = np.asarray(task.encoder(IDS)["sequence_output"])
    expected = tokens @ head["classifier.weight"].T + head["classifier.bias"]
    np.testing.assert_allclose(task(IDS), expected, atol=1e-5)
    assert task.class_names == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.parametrize(
    ("architectures", "without", "head"),
    [
        ([SEQUENCES], (), "classifier"),
        ([TOKENS], (), "token_classifier"),
        (..., (), "classifier"),  # not told: what a pooler is for
        (..., "pooler.", "token_classifier"),
        ("BertModel", (), "classifier"),  # no list: as if not told
        (["BertForMultipleChoice"], (), "multiple_choice"),
        (["MyBertForSentiment"], (), None),
    ],
)
def test_the_architecture_tells_what_a_classifier_is(write, architectures, without, head):
    checkpoint = open_checkpoint(write(classifier(3), without=without, architectures=architectures))
    assert checkpoint.heads == ((head,) if head else ())
    assert set(checkpoint.refused) == {"classifier", "token_classifier", "multiple_choice"} - {head}
    if head in ("classifier", "token_classifier"):
        assert checkpoint.num_classes(head) == 3


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (..., ("LABEL_0", "LABEL_1")),
        (None, ("LABEL_0", "LABEL_1")),
        ({"1": "yes", "0": "nö"}, ("nö", "yes")),
        ({"0": 10, "1": 20}, ("10", "20")),
    ],
)
def test_names_of_classes(write, names, expected):
    folder = write(classifier(2), architectures=[SEQUENCES], id2label=names)
    assert TextClassifier.from_pretrained(folder).class_names == expected
    again = TextClassifier.from_pretrained(folder, ["bad", "good"])
    assert again.class_names == ("bad", "good")
    assert TextClassifier.from_pretrained(folder, 2).class_names == ("0", "1")


@pytest.mark.parametrize(
    "names",
    [{}, [], ["a", "b"], "ab", 2, {"0": "a"}, {"0": "a", "1": "a"}, {"a": 0, "b": 1},
     {"0": "a", "1": "b", "2": "c"}],
    ids=str,
)  # fmt: skip
def test_names_that_name_no_classes(write, names):
    folder = write(classifier(2), architectures=[SEQUENCES], id2label=names)
    with pytest.raises(UserError, match=r"does not name the 2 classes of its classifier, each in"):
        TextClassifier.from_pretrained(folder)
    named = TextClassifier.from_pretrained(folder, ["no", "yes"])
    np.testing.assert_array_equal(named.head.bias, classifier(2)["classifier.bias"])
    assert BertEncoder.from_pretrained(folder).config == CONFIG  # which needs no names


@pytest.mark.parametrize("task", [TextClassifier, TokenClassifier])
def test_another_number_of_names_is_refused(write, task):
    architecture = SEQUENCES if task is TextClassifier else TOKENS
    folder = write(classifier(3), architectures=[architecture])
    for names in (["a", "b"], 4):
        with pytest.raises(UserError, match="a classifier of 3 classes, and class_names has"):
            task.from_pretrained(folder, names)


@pytest.mark.parametrize(
    ("task", "classes", "changes", "reason"),
    [
        (TokenClassifier, 1, {"architectures": [TOKENS]}, "it returns one number"),
        (TextClassifier, 1, {"problem_type": "single_label_classification"}, "returns one number"),
        (TextClassifier, 3, {"problem_type": ["x"]}, "problem_type"),
        (TextClassifier, 3, {"architectures": ["MyBertForSentiment"]}, "of a MyBertForSentiment"),
    ],
)
def test_heads_that_give_no_known_answer(write, task, classes, changes, reason):
    folder = write(classifier(classes), **{"architectures": [SEQUENCES], **changes})
    with pytest.raises(UserError, match=f"{reason}.*for a new head, give class_names"):
        task.from_pretrained(folder)
    with pytest.warns(UserWarning, match=f"classifier head of .* cannot be read: .*{reason}"):
        task.from_pretrained(folder, ["a", "b"])
    assert task.from_pretrained(folder, ["a", "b"], new_head=True).class_names == ("a", "b")


def test_other_vectors_than_the_heads_are_for_a_new_head(write):
    folder = write(classifier(2), architectures=[SEQUENCES])
    with pytest.raises(UserError, match="was trained with pooling='pooled'"):
        TextClassifier.from_pretrained(folder, pooling="mean")
    with pytest.warns(UserWarning, match="was trained with pooling='pooled'"):
        fresh = TextClassifier.from_pretrained(folder, ["a", "b", "c"], pooling="mean")
    assert (fresh.pooling, len(fresh.class_names)) == ("mean", 3)
    same = TextClassifier.from_pretrained(folder, pooling="pooled", layers=(2,))
    np.testing.assert_array_equal(same.head.bias, classifier(2)["classifier.bias"])


@pytest.mark.parametrize(("rate", "expected"), [(..., 0.1), (None, 0.1), (0.35, 0.35), (0, 0.0)])
def test_the_dropout_before_the_classifier(write, rate, expected):
    folder = write(classifier(2), architectures=[SEQUENCES], classifier_dropout=rate)
    assert TextClassifier.from_pretrained(folder).dropout == expected
    assert TextClassifier.from_pretrained(folder, dropout=0.5).dropout == 0.5


def test_new_heads_on_an_encoder(encoder_folder):
    assert QuestionAnswerer.from_pretrained(encoder_folder)(IDS)["start_logits"].shape == (2, 4)
    task = TokenClassifier.from_pretrained(encoder_folder, ["a", "b", "c"])
    assert task(IDS).shape == (2, 4, 3)
    for kind in (TokenClassifier, TextClassifier):
        with pytest.raises(UserError, match=r"without a .*head.*for a new head, give class_names"):
            kind.from_pretrained(encoder_folder)
    for kind in (MaskedLanguageModel, NextSentencePredictor):
        with pytest.raises(UserError, match=r"holds a BertModel without a .* head"):
            kind.from_pretrained(encoder_folder)


def masked_lm():
    return {
        "cls.predictions.bias": np.zeros(20, "float32"),
        "cls.predictions.transform.dense.weight": np.eye(6, dtype="float32"),
        "cls.predictions.transform.dense.bias": np.zeros(6, "float32"),
        "cls.predictions.transform.LayerNorm.gamma": np.ones(6, "float32"),
        "cls.predictions.transform.LayerNorm.beta": np.zeros(6, "float32"),
        "cls.predictions.decoder.weight": np.ones((20, 6), "float32"),
    }


def test_an_untied_decoder_is_refused(write):
    assert MaskedLanguageModel.from_pretrained(write(masked_lm())) is not None  # tied by default
    folder = write(masked_lm(), tie_word_embeddings=False)
    with pytest.raises(UserError, match="its decoder is a matrix of its own"):
        MaskedLanguageModel.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cls.predictions.bias": None}, "'cls.predictions.bias' is missing"),
        ({"cls.predictions.bias": np.zeros(21, "f")}, r"\[21\] in the file and \[20\]"),
        ({"cls.predictions.bias": np.full(20, np.nan, "f")}, "NaN or infinite"),
        ({"cls.predictions.bias": np.zeros(20, "int8")}, "int8.*floats"),
    ],
    ids=["missing", "shape", "nan", "int8"],
)
def test_damaged_heads_are_named(write, change, message):
    tensors = {name: t for name, t in (masked_lm() | change).items() if t is not None}
    with pytest.raises(UserError, match=message):
        MaskedLanguageModel.from_pretrained(write(tensors))


def test_a_tokenizer_of_another_model(write):
    folder = write(masked_lm())
    words = [*TOKENIZER.vocabulary(), *map(str, range(15))]
    WordPieceTokenizer.from_vocabulary(words).save_pretrained(folder)
    with pytest.raises(UserError, match=r"has 21 tokens and the encoder .* embeddings for 20"):
        MaskedLanguageModel.from_pretrained(folder)
    assert MaskedLanguageModel.from_pretrained(folder, tokenizer=None).tokenizer is None


def test_a_pickle_alone_is_not_read(write):
    folder = write()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pickle \(pytorch_model.bin\).*save_pretrained\('conv"):
        BertEncoder.from_pretrained(folder)


@pytest.mark.parametrize(
    "settings",
    [
        [], "mean", {"pooling": 1}, {"layers": {"a": 1}}, {"hidden_layers": [0.5]},
        {"max_length": True}, {"max_length": None}, {"trainable": 1}, {"encoder": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_nobody_wrote(encoder_folder, write, settings):
    folder = write(kerasformer=settings)
    with pytest.raises(UserError, match=r"kerasformer in .*config\.json"):
        TextClassifier.from_pretrained(folder, 2)


def test_settings_by_the_names_of_version_0_1(write):
    folder = write(
        {
            "kerasformer.classifier.weight": np.zeros((2, 12), "float32"),
            "kerasformer.classifier.bias": np.ones(2, "float32"),
        },
        kerasformer={"pooling": "cls", "hidden_layers": [-1, 0], "trainable": False},
    )
    model = TextClassifier.from_pretrained(folder)
    assert (model.pooling, model.layer_pooling.chosen) == ("cls", (-1, 0))
    assert model.freeze_encoder


@pytest.mark.parametrize(
    "settings",
    [{"pooling": "max"}, {"hidden_layers": [9]}, {"hidden_layers": []}, {"max_length": -4}],
    ids=str,
)
def test_settings_that_make_no_classifier(write, settings):
    folder = write(
        {"kerasformer.classifier.weight": np.zeros((2, 6), "f"),
         "kerasformer.classifier.bias": np.zeros(2, "f")},
        prefix="",
        kerasformer={"pooling": "mean", "hidden_layers": [-1]} | settings,
    )  # fmt: skip
    with pytest.raises(UserError):
        TextClassifier.from_pretrained(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
KEYS = ["architectures", "id2label", "problem_type", "classifier_dropout", "kerasformer"]
KEYS += ["tie_word_embeddings", "num_labels"]


@settings(max_examples=30, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(KEYS), JSON), own=st.booleans())
def test_whatever_the_config_says_it_is_opened_or_refused(encoder_folder, changes, own):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tensors = load_file(encoder_folder / "model.safetensors") | masked_lm()
        head = classifier(2)
        if own:
            head = {f"kerasformer.{name}": tensor for name, tensor in head.items()}
        save_file(tensors | head, folder / "model.safetensors")
        values = json.loads((encoder_folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps(values))
        with contextlib.suppress(UserError):  # any other error is a defect
            checkpoint = open_checkpoint(folder)
            assert checkpoint.report().problems() == []
            for name in checkpoint.heads:
                checkpoint.check_head(name, checkpoint.num_classes(name) or 2)
