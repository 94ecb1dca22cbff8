"""A table of vectors in place of an encoder; against sentence-transformers: tests/parity."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest

from kerasformer import BertEncoder, TextEmbedder
from kerasformer.checkpoints.inspect import inspect
from kerasformer.cli import main
from kerasformer.embedder import TruncationWarning
from kerasformer.errors import UserError
from kerasformer.models.static import StaticEncoder
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.static import StaticTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "##s"]
TEXTS = ["Good films", "", "bad film unknown"]
IDS = [[4, 6, 7], [], [5, 6, 1]]


@pytest.fixture
def embedder(tmp_path):
    WordPieceTokenizer.from_vocabulary(WORDS).save_pretrained(tmp_path / "tokenizer")
    tokenizer = StaticTokenizer.from_file(tmp_path / "tokenizer/tokenizer.json")
    keras.utils.set_random_seed(3)
    encoder = StaticEncoder(len(WORDS), 16)
    encoder.build()
    return TextEmbedder(encoder, tokenizer)


@pytest.fixture
def folder(embedder, tmp_path):
    embedder.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_vector_is_the_mean_of_the_tokens(embedder):
    table = keras.ops.convert_to_numpy(embedder.encoder.embeddings)
    expected = [table[ids].mean(axis=0) if ids else np.zeros(16) for ids in IDS]
    np.testing.assert_allclose(embedder.encode(TEXTS), expected, atol=1e-7)
    np.testing.assert_allclose(list(embedder.stream(TEXTS)), expected, atol=1e-7)
    long = ["good " * 40_000 + "bad", "film"]  # over several steps
    expected = [(40_000 * table[4] + table[5]) / 40_001, table[6]]
    np.testing.assert_allclose(embedder.encode(long), expected, atol=1e-7)


def test_options_of_a_call(embedder):
    plain = embedder.encode(TEXTS)
    np.testing.assert_array_equal(embedder.encode(TEXTS, dimensions=5), plain[:, :5])
    norms = np.linalg.norm(embedder.encode(TEXTS, normalize=True), axis=1)
    np.testing.assert_allclose(norms, [1, 0, 1], atol=1e-6)
    prompted = embedder.encode(TEXTS, prompt="bad ")
    np.testing.assert_array_equal(prompted, embedder.encode([f"bad {text}" for text in TEXTS]))
    assert embedder.encode(TEXTS, dtype="int8").dtype == np.int8
    done = []
    embedder.encode(TEXTS, show_progress_bar=done.append)
    assert sum(done) == len(TEXTS)


def test_a_maximum_length_is_kept(embedder, tmp_path):
    short = TextEmbedder(embedder.encoder, embedder.tokenizer, max_length=3)
    short.save_pretrained(tmp_path / "short")
    for each in (short, TextEmbedder.from_pretrained(tmp_path / "short")):
        assert each.max_length == 3
        with pytest.warns(TruncationWarning):
            cut = each.encode(["good bad film films"])
        np.testing.assert_array_equal(cut, embedder.encode(["good bad film"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({"output": name}, "output is") for name in ("token", "word", "hidden_states")),
        ({"pooling": "cls"}, "pooling is"),
        ({"pooling": ["mean", "max"]}, "pooling is"),
        ({"long": "window"}, "long is"),
        ({"layers": 0}, "no layers"),
        ({"layers": "all"}, "no layers"),
        ({"layers": [-1], "combine": "stack"}, "no layers"),
        ({"pairs": TEXTS}, "no pairs"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(embedder, options, message):
    with pytest.raises(UserError, match=message):
        embedder.encode(TEXTS, **options)


def test_arguments_that_make_no_sense_are_refused(embedder):
    with pytest.raises(UserError, match="include_prompt"):
        TextEmbedder(embedder.encoder, embedder.tokenizer, include_prompt=False)
    with pytest.raises(UserError, match="pooling"):
        TextEmbedder(embedder.encoder, embedder.tokenizer, "cls")
    small = StaticEncoder(5, 16)
    small.build()
    with pytest.raises(UserError, match="8 tokens and the encoder embeddings for 5"):
        TextEmbedder(small, embedder.tokenizer)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_quantized_behind_a_first_call(folder, mode):
    embedder = TextEmbedder.from_pretrained(folder)
    plain = embedder.encode(TEXTS[::2], normalize=True)
    embedder.encoder.quantize(mode)
    cosines = (embedder.encode(TEXTS[::2], normalize=True) * plain).sum(axis=1)
    assert (1 - cosines > 1e-7).all()
    np.testing.assert_allclose(cosines, 1, atol=0.001 if mode == "int8" else 0.05)
    with pytest.raises(UserError, match="quantized"):
        embedder.save_pretrained(folder)


def test_lora_counts_and_is_merged(embedder, tmp_path):
    plain = embedder.encode(TEXTS)
    embedder.encoder.enable_lora(2)
    embedder.encoder.lora_embeddings_b.assign(np.ones((2, 16)))
    tuned = embedder.encode(TEXTS)
    assert np.abs(tuned - plain)[[0, 2]].max() > 0.01
    embedder.save_pretrained(tmp_path / "merged")
    again = TextEmbedder.from_pretrained(tmp_path / "merged")
    np.testing.assert_allclose(again.encode(TEXTS), tuned, atol=1e-6)


def test_policies_copies_and_the_encoders_own_format(folder, tmp_path):
    embedder = TextEmbedder.from_pretrained(folder)
    plain = embedder.encode(TEXTS)
    for made in (copy.deepcopy(embedder), pickle.loads(pickle.dumps(embedder))):
        np.testing.assert_array_equal(made.encode(TEXTS), plain)
    half = TextEmbedder.from_pretrained(folder, dtype="bfloat16").encode(TEXTS)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, plain, atol=1e-3)
    keras.Sequential([keras.Input((3,)), embedder.encoder]).save(tmp_path / "model.keras")
    encoder = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    made = TextEmbedder(encoder, embedder.tokenizer)
    np.testing.assert_array_equal(made.encode(TEXTS), plain)


def test_inspect_and_the_encoder_name_it(folder, capsys):
    found = inspect(folder)
    assert found["format"] == "sentence-transformers, StaticEmbedding of 16 dimensions"
    assert found["parameters"] == {"total": len(WORDS) * 16}
    assert (found["problems"], found["tokenizer"]["kind"]) == ([], "WordPiece")
    assert main(["inspect", str(folder)]) == 0
    assert "StaticEmbedding of 16 dimensions" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"a StaticEmbedding.*TextEmbedder"):
        BertEncoder.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AA"}}, "Precompiled"),
        ({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+"}}}, "Split"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": []}}, "BPE"),
        ({"truncation": {"direction": "Left", "max_length": 4}}, "beginning"),
        ({"truncation": {"max_length": -4}}, "3 or more"),
        ({"truncation": 4}, "max_length"),
    ],
    ids=str,
)
def test_a_tokenizer_of_another_kind_is_refused(folder, change, message):
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message):
        TextEmbedder.from_pretrained(folder)
    assert any(message in problem for problem in inspect(folder)["problems"])


TABLE = np.ones((len(WORDS), 4), "float32")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"embedding.weight": TABLE[:5]}, "embeddings for 5"),
        ({"embedding.weight": TABLE[0]}, "a vector for each token"),
        ({"embedding.weight": TABLE * np.nan}, "NaN"),
        ({"embedding.weight": TABLE.astype("int8")}, "expected floats"),
        ({"embedding.weight": TABLE, "more": TABLE}, "more"),
        ({"embeddings": TABLE, "mapping": np.arange(8) + 1}, "not there"),
        ({"embeddings": TABLE, "mapping": np.arange(8) - 1}, "not there"),
        ({"embeddings": TABLE, "mapping": TABLE}, "not there"),
        ({"embeddings": TABLE, "weights": TABLE}, "each token"),
        ({"other": TABLE}, "other"),
    ],
)
def test_a_damaged_table_is_refused(folder, tensors, message):
    from safetensors.numpy import save_file

    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UserError, match=message):
        TextEmbedder.from_pretrained(folder)


def test_other_modules_are_refused(folder):
    path = folder / "modules.json"
    modules = json.loads(path.read_text())
    pooling = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    path.write_text(json.dumps([*modules, pooling]))
    with pytest.raises(UserError, match="the modules StaticEmbedding, Pooling"):
        TextEmbedder.from_pretrained(folder)
