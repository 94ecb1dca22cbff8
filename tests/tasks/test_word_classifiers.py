"""The classifiers from before transformers: bags of vectors, and an LSTM with attention."""

import functools
import json

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kerasformer import tasks
from kerasformer.errors import UserError
from kerasformer.models import EncoderConfig, StaticVectors
from kerasformer.tasks import RecurrentClassifier, StaticClassifier, TransformerClassifier
from kerasformer.text import WordPieceTokenizer, WordTokenizer

TEXTS = ["a fine film", "fine acting", "truly fine", "a dull film", "dull acting", "truly dull"]
LABELS = ["good"] * 3 + ["bad"] * 3
NAMES = ["bad", "good"]
VECTORS = StaticVectors(["fine", "dull", "film", "superb"], np.eye(4)[[0, 1, 2, 0]] * [1, 1, 1, 0])
TOKENIZER = WordTokenizer.train(TEXTS, vocab_size=60)
KINDS = {
    "static": lambda **options: StaticClassifier(NAMES, vocab_size=60, hidden_size=6, **options),
    "recurrent": lambda **options: RecurrentClassifier(
        NAMES, vocab_size=60, max_length=12, hidden_size=6, units=4, attention_units=5, **options
    ),
}


@functools.cache
def trained_model(kind):
    keras.utils.set_random_seed(0)
    model = KINDS[kind](dropout=0.0)
    model.fit(TEXTS, LABELS, epochs=40, batch_size=6, learning_rate=0.03, verbose=0)
    return model


@pytest.fixture(scope="module", params=KINDS)
def trained(request):
    return trained_model(request.param)


def test_they_learn_from_strings_and_names(trained):
    assert trained.classify(["fine", "dull film"]) == ["good", "bad"]
    assert trained.evaluate(TEXTS, LABELS, return_dict=True)["accuracy"] == 1.0
    assert np.isfinite(trained.predict(["", "unheard", "fine " * 2000])).all()


@settings(settings.get_profile("layers"))
@given(length=st.integers(1, 5), padding=st.integers(1, 4), seed=st.integers(0, 99))
def test_padding_changes_nothing(trained, length, padding, seed):
    ids = np.random.default_rng(seed).integers(1, 10, (2, length))
    padded = np.pad(ids, ((0, 0), (0, padding)))
    expected = ops.convert_to_numpy(trained(ids))
    np.testing.assert_allclose(ops.convert_to_numpy(trained(padded)), expected, atol=1e-5)
    # Whatever is under the mask.
    mask = (padded != 0).astype("int32")
    other = {"input_word_ids": np.where(mask, padded, 7), "input_mask": mask}
    np.testing.assert_allclose(ops.convert_to_numpy(trained(other)), expected, atol=1e-5)


def test_a_row_of_padding_is_finite(trained):
    assert np.isfinite(ops.convert_to_numpy(trained(np.array([[3, 4], [0, 0]])))).all()


def test_ids_that_there_are_no_vectors_of_are_refused(trained):
    with pytest.raises(ValueError, match="the ids 0 to 59"):
        trained.predict(np.array([[60]]), verbose=0)


def test_they_come_back_from_their_folder(trained, tmp_path):
    trained.save_pretrained(tmp_path)
    expected = trained.predict(TEXTS)
    for again in (tasks.load(tmp_path), type(trained).from_pretrained(tmp_path)):
        assert type(again) is type(trained)
        np.testing.assert_allclose(again.predict(TEXTS), expected, atol=1e-6)
    with pytest.raises(UserError, match="and no TransformerClassifier: read it by"):
        TransformerClassifier.from_pretrained(tmp_path)
    config = json.loads((tmp_path / "classifier.json").read_text())
    (tmp_path / "classifier.json").write_text(json.dumps(config | {"hidden_size": 2**31}))
    with pytest.raises(UserError, match="has no tensors for the hidden_size"):
        tasks.load(tmp_path)
    (tmp_path / "classifier.json").write_text(json.dumps(config | {"class": "Other\n"}))
    with pytest.raises(UserError, match=r"a model of the class 'Other\\n'"):
        tasks.load(tmp_path)


@pytest.mark.parametrize(
    ("kind", "large", "product"),
    [
        (StaticClassifier, {"vocab_size", "hidden_size"}, r"vocab_size \* hidden_size"),
        (RecurrentClassifier, {"units"}, r"units \* units"),
        (TransformerClassifier, {"hidden_size"}, r"num_layers \* hidden_size \* hidden_size"),
        (TransformerClassifier, {"max_length", "hidden_size"}, r"max_length \* hidden_size"),
    ],
)
def test_no_kernels_are_made_that_a_small_file_cannot_fill(tmp_path, kind, large, product):
    with h5py.File(tmp_path / "classifier.weights.h5", "w") as file:
        file["kernel"] = np.zeros((20_000, 1), "float32")
    sizes = {name: 20_000 if name in large else 1 for name in (*kind.SIZES, "max_length")}
    config = {"class": kind.__name__, "class_names": NAMES, **sizes}
    (tmp_path / "classifier.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"has no tensors for the {product} of"):
        tasks.load(tmp_path)
    del config["hidden_size"]  # by default it would be larger
    (tmp_path / "classifier.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"makes no {kind.__name__} .its hidden_size is no integer"):
        tasks.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("class_names", 10**12, "its class_names are no list of as many names as there are"),
        ("class_names", [str(i) for i in range(999)], "its class_names are no list of as many"),
        ("class_names", {"a": 1}, "its class_names are no list"),
        ("class_names", ["a", None], "is neither a list of strings"),
        ("max_length", 0, "max_length=0 is not a positive integer"),
        ("max_length", "9", "max_length='9' is not a positive integer"),
        ("max_length", 10**30, "is above 2147483647"),
        ("tokenizer", 5, "its tokenizer is no text"),
        ("tokenizer", {"class_name": "os.system"}, "its tokenizer is no text"),
    ],
)
def test_a_configuration_from_strangers_is_data(trained, tmp_path, name, value, message):
    trained.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "classifier.json").read_text())
    (tmp_path / "classifier.json").write_text(json.dumps(config | {name: value}))
    with pytest.raises(UserError, match=message):
        tasks.load(tmp_path)


def test_a_number_of_classes_is_bounded():
    with pytest.raises(ValueError, match="class_names=1000000000000: there can be at most"):
        StaticClassifier(10**12, vocab_size=9)


def test_they_come_back_from_keras(trained, tmp_path):
    trained.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_config() == trained.get_config()
    np.testing.assert_allclose(again.predict(TEXTS), trained.predict(TEXTS), atol=1e-6)


def test_pairs_are_refused(trained):
    with pytest.raises(UserError, match="reads single texts"):
        trained.fit([("a", "b"), ("c", "d")], ["good", "bad"])


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_refused_whatever_the_tokenizer_takes(kind):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine"]
    model = KINDS[kind](tokenizer=WordPieceTokenizer.from_vocabulary(vocabulary))
    for use in (model.tokenize, model.predict):
        with pytest.raises(UserError, match="reads single texts"):
            use([("fine", "dull")])


def test_the_mean_of_vectors_is_classified():
    keras.utils.set_random_seed(0)
    model = StaticClassifier(NAMES, VECTORS, trainable_vectors=False)
    kernel, bias = (ops.convert_to_numpy(w) for w in model.head.weights)
    mean = (VECTORS["fine"] + VECTORS["film"]) / 3  # of three words, one of them unknown
    np.testing.assert_allclose(model.predict(["A fine film"])[0], mean @ kernel + bias, atol=1e-6)
    assert model.recipe == StaticClassifier.FROZEN_RECIPE
    before = ops.convert_to_numpy(model.embedding.embeddings)
    model.fit(TEXTS, LABELS, verbose=0, epochs=60, batch_size=6, learning_rate=0.1)
    np.testing.assert_array_equal(ops.convert_to_numpy(model.embedding.embeddings), before)
    assert model.classify(["superb"]) == ["good"]  # whose vector, not seen in training, is alike


def test_what_a_tokenizer_puts_around_a_text_is_left_out():
    tokenizer = WordPieceTokenizer.from_vocabulary(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "dull", "film"]
    )
    for make in KINDS.values():
        assert make(tokenizer=tokenizer).tokenize(["Fine film", ""]).ids == [[4, 6], [1]]


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize("kind", ["recurrent", "transformer", "encoder"])
def test_embeddings_start_from_static_vectors(kind, learnt, monkeypatch, tmp_path):
    options = {"token_vectors": VECTORS, "tokenizer": None if learnt else TOKENIZER}
    if kind == "recurrent":
        model = RecurrentClassifier(NAMES, 60, hidden_size=4, units=4, **options)
    elif kind == "transformer":
        model = TransformerClassifier(NAMES, 60, 8, hidden_size=4, **options)
    else:
        config = EncoderConfig(60, 4, 1, 2, 4, 16)
        model = tasks.TextClassifier.from_scratch(NAMES, config=config, **options)
    if learnt:
        (tmp_path / "model.keras").write_bytes(b"of before")
        for save, name in ((model.save_pretrained, "folder"), (model.save, "model.keras")):
            with pytest.raises(UserError, match="static vectors wait for a vocabulary"):
                save(tmp_path / name)
        assert not (tmp_path / "folder").exists()
        assert (tmp_path / "model.keras").read_bytes() == b"of before"
        # The words, and then the vectors, before any step.
        monkeypatch.setattr(type(model), "_train", lambda *args, **kwargs: None)
        model.fit(TEXTS, LABELS)
        model.get_config()
    rows = ops.convert_to_numpy(model.word_embeddings.embeddings)
    vocabulary = model.tokenizer.vocabulary()
    assert "acting" in vocabulary
    for word in ("fine", "dull", "film"):
        np.testing.assert_allclose(rows[vocabulary.index(word)], VECTORS[word])
    other = rows[vocabulary.index("acting")]
    assert 0 < np.abs(other).max() < 5 * VECTORS.vectors.std()


def test_vectors_of_another_width_are_refused():
    with pytest.raises(ValueError, match="4 wide and the embeddings 8: make the model with"):
        TransformerClassifier(NAMES, 60, 8, hidden_size=8, token_vectors=VECTORS)


def test_the_first_vectors_are_those_of_a_smaller_vocabulary():
    model = StaticClassifier(NAMES, VECTORS, vocab_size=4)
    assert model.tokenizer.vocabulary() == ["[PAD]", "[UNK]", "fine", "dull"]
    np.testing.assert_array_equal(model.vectors["dull"], VECTORS["dull"])
    assert StaticClassifier(NAMES, VECTORS, vocab_size=6).vectors.words[1:] == VECTORS.words


@pytest.mark.parametrize("kind", [StaticClassifier, RecurrentClassifier, TransformerClassifier])
def test_a_tokenizer_of_more_tokens_than_embeddings_is_refused(kind):
    options = {"vocab_size": 5, "hidden_size": 4, "token_vectors": VECTORS}
    with pytest.raises(UserError, match="tokens and the embeddings 5: make the model with vocab"):
        kind(NAMES, tokenizer=TOKENIZER, **options)


@pytest.fixture(scope="module")
def recurrent():
    return trained_model("recurrent")


def test_the_weights_of_words_are_those_of_the_sum(recurrent):
    found = recurrent.attention("A fine, fine film")
    words, weights = zip(*found, strict=True)
    assert words == ("A", "fine", ",", "fine", "film")
    assert sum(weights) == pytest.approx(1, abs=1e-6)
    ids = np.array(recurrent.tokenize(["A fine, fine film"]).ids)
    states = recurrent.recurrent(recurrent.embedding(ids))
    pooled = np.array(weights) @ ops.convert_to_numpy(states)[0]
    kernel, bias = (ops.convert_to_numpy(w) for w in recurrent.head.weights)
    logits = recurrent.predict(["A fine, fine film"])[0]
    np.testing.assert_allclose(pooled @ kernel + bias, logits, atol=1e-5)


def test_attention_is_on_the_words_that_tell(recurrent):
    weights = dict(recurrent.attention("truly fine"))
    assert weights["fine"] > weights["truly"]


def test_the_attention_of_a_long_and_of_no_text(recurrent):
    assert len(recurrent.attention("fine " * 50)) == recurrent.max_length
    assert recurrent.attention("") == [("", 1.0)]
    with pytest.raises(UserError, match="text"):
        recurrent.attention(None)
