"""ONNX in int8 is near to float32, and says how near on texts that it was not calibrated on."""

import numpy as np
import pytest

from kerasformer.checkpoints.export import int8_cost, onnx_file
from kerasformer.checkpoints.export.int8_cost import Int8Cost, held_out
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier
from kerasformer.text import WordPieceTokenizer, pack

pytestmark = pytest.mark.backend("tensorflow")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrst"]
TEXTS = [" ".join(WORDS[5 + (i * j) % 20] for j in range(2 + i % 9)) for i in range(1, 65)]
TEXTS = list(dict.fromkeys(TEXTS))


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.from_vocabulary(WORDS)


@pytest.fixture(scope="module")
def encoder():
    sizes = {"hidden_size": 24, "num_layers": 2, "num_heads": 3, "intermediate_size": 48}
    sizes |= {"vocab_size": len(WORDS), "max_length": 16, "initializer_range": 0.3}
    return BertEncoder(EncoderConfig(**sizes))


@pytest.fixture(scope="module")
def exported(encoder, tokenizer, tmp_path_factory):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("int8") / "model.onnx"
    return path, encoder.export(path, "onnx", tokenizer, int8=TEXTS)


def session(path):
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def operations(path):
    return [node.op_type for node in pytest.importorskip("onnx").load(path).graph.node]


def mean_vectors(hidden, batch):
    mask = batch["input_mask"][..., None]
    vectors = (np.asarray(hidden) * mask).sum(1) / mask.sum(1)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.oracle
def test_is_near_to_float32_and_says_how_near(encoder, tokenizer, exported):
    from scipy.stats import spearmanr

    path, cost = exported
    _, test = held_out(TEXTS)
    batch = pack(tokenizer.tokenize(test))
    ours = mean_vectors(session(path).run(["sequence_output"], batch)[0], batch)
    exact = mean_vectors(encoder(batch)["sequence_output"], batch)
    cosines = (ours * exact).sum(axis=1)
    assert 0.99 < cosines.min() < 0.999999  # which float32 would be
    assert cost.texts == len(test)
    assert cost.smallest_cosine == pytest.approx(cosines.min(), abs=1e-4)
    assert cost.mean_cosine == pytest.approx(cosines.mean(), abs=1e-4)
    pairs = np.triu_indices(len(test), 1)
    expected = spearmanr((exact @ exact.T)[pairs], (ours @ ours.T)[pairs]).statistic
    assert cost.spearman == pytest.approx(expected, abs=1e-3)
    assert f"cosines {cost.smallest_cosine:.4f} at least" in str(cost)


@pytest.mark.oracle
def test_the_products_of_all_tokens_run_in_int8(exported, tmp_path):
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    path, _ = exported
    onnx.checker.check_model(onnx.load(path), full_check=True)
    kinds = {each.data_type for each in onnx.load(path).graph.initializer if len(each.dims) == 2}
    assert onnx.TensorProto.INT8 in kinds
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found = operations(tmp_path / "optimized.onnx")
    assert found.count("QGemm") == 4 * 2  # of each block, and no pooler
    assert found.count("LayerNormalization") == 1 + 2 * 2
    assert found.count("Gelu") + found.count("BiasGelu") == 2


@pytest.mark.oracle
@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_float32_has_one_operation_for_a_layer_normalization(tmp_path, activation, tokenizer):
    pytest.importorskip("tf2onnx")
    encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=25, activation=activation))
    path = onnx_file.export_onnx(encoder, tmp_path / "model.onnx")
    found = operations(path)
    assert found.count("LayerNormalization") == 5
    assert "GlobalAveragePool" not in found
    batch = pack(tokenizer.tokenize(TEXTS[:9]))
    hidden = session(path).run(["sequence_output"], batch)[0]
    np.testing.assert_allclose(hidden, encoder(batch)["sequence_output"], atol=1e-5)


@pytest.mark.oracle
def test_of_a_classifier_by_its_outputs(encoder, tokenizer, tmp_path):
    pytest.importorskip("tf2onnx")
    classifier = TextClassifier(["x", "y", "z"], encoder, tokenizer)
    cost = classifier.export(tmp_path / "model.onnx", "onnx", int8=iter(TEXTS))
    batch = pack(tokenizer.tokenize(TEXTS))
    logits = session(tmp_path / "model.onnx").run(["outputs"], batch)[0]
    exact = np.asarray(classifier(batch))
    cosines = (logits * exact).sum(1) / np.linalg.norm(logits, axis=1)
    assert (cosines / np.linalg.norm(exact, axis=1)).min() > 0.9
    assert 0.9 < cost.smallest_cosine <= cost.mean_cosine <= 1.000001


@pytest.mark.oracle
def test_an_interrupted_export_leaves_the_old_file(encoder, tokenizer, tmp_path, monkeypatch):
    pytest.importorskip("tf2onnx")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the one before")

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_file, "quantize", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encoder.export(path, "onnx", tokenizer, int8=TEXTS)
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"the one before"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "int8 has 0 different texts, but must have at least 16"),
        (["one"] * 99, "int8 has 1 different texts, but must have at least 16"),
        ("one", "int8 is a str, but must be a list of str"),
        (True, "int8 is True, but must be a list of str"),
        ([*TEXTS, 7], r"int8\[\d+\] is 7, a int, but must be a str"),
        ([*TEXTS, "a" * (2**21 + 1)], r"int8\[\d+\] is a text of more than 2 MiB"),
    ],
    ids=["none", "too few", "one str", "no texts", "no str", "huge"],
)
def test_refuses_what_are_no_texts(texts, message):
    with pytest.raises(UserError, match=message):
        held_out(texts)


def test_refuses_before_any_work(encoder, tokenizer, tmp_path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    with pytest.raises(UserError, match="this BertEncoder has no tokenizer for them"):
        encoder.export(path, "onnx", int8=TEXTS)
    with pytest.raises(UserError, match="int8 is for format='onnx'"):
        encoder.export(path, tokenizer=tokenizer, int8=TEXTS)
    other = WordPieceTokenizer.from_vocabulary([*WORDS, "more"])
    with pytest.raises(UserError, match="tokenizer has 26 tokens and the encoder 25"):
        encoder.export(path, "onnx", other, int8=TEXTS)
    assert not list(tmp_path.iterdir())


def test_many_texts_are_taken_from_all_over():
    texts = [f"text {i}" for i in range(5000)]
    calibration, test = held_out(texts)
    assert not set(calibration) & set(test)
    assert (len(calibration), len(test)) == (384, 128)
    assert calibration[0] == "text 0"
    assert test[-1] == "text 4999"


def test_batches_have_every_text_once_and_few_tokens(tokenizer):
    tokenized = tokenizer.tokenize(TEXTS * 40)
    batches = list(int8_cost.batches_of(tokenized))
    assert sum(len(batch["input_mask"]) for batch in batches) == len(tokenized)
    assert sum(batch["input_mask"].sum() for batch in batches) == tokenized.lengths.sum()
    assert max(batch["input_mask"].size for batch in batches) <= 1024


def test_the_report_in_words():
    assert str(Int8Cost(12, 0.5, 0.75, 1.0)).endswith("0.7500 on average; Spearman 1.0000.")
