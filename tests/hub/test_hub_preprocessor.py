"""`HubPreprocessor`: the SavedModel's own tokens, from texts in every form."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.errors import UserError
from kerasformer.hub import HubPreprocessor
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.text import WordPieceTokenizer

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")
pytestmark = pytest.mark.backend("tensorflow")

NAMES = {"input_word_ids", "input_mask", "input_type_ids"}


def assert_equal(found, expected):
    assert found.keys() == expected.keys() == NAMES
    for name in NAMES:
        assert found[name].dtype == "int32"
        np.testing.assert_array_equal(found[name], expected[name])


def golden_case(arrays, case):
    return {name: arrays[f"{case}/{name}"] for name in NAMES}


def test_one_segment(golden, arrays):
    layer = HubPreprocessor(golden["preprocessor"], seq_length=16)
    assert_equal(layer(arrays["first"].tolist()), golden_case(arrays, "one"))


def test_the_length_is_by_default_the_saved_models_own(golden, arrays):
    layer = HubPreprocessor(golden["preprocessor"])
    assert layer.seq_length == layer.get_config()["seq_length"] == 16
    raw = layer.saved_model(tf.constant(arrays["first"].tolist()))  # as hub.KerasLayer calls it
    assert_equal(layer(arrays["first"].tolist()), raw)
    assert_equal(raw, golden_case(arrays, "one"))


def test_the_default_length_of_what_we_export(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "film"]
    encoder = BertEncoder(EncoderConfig(len(words), 4, 1, 1, 4, max_length=64))
    encoder.export_tfhub(tmp_path, WordPieceTokenizer.from_vocabulary(words), seq_length=48)
    texts, layer = tf.constant(["a good film"]), HubPreprocessor(tmp_path / "preprocessor")
    assert layer(texts)["input_word_ids"].shape == (1, 48)
    assert_equal(layer(texts), layer.saved_model(texts))
    again = HubPreprocessor.from_config(layer.get_config())
    assert (again.seq_length, layer.compute_output_spec([texts])["input_mask"].shape) == (
        48,
        (1, 48),
    )
    shorter = HubPreprocessor(tmp_path / "preprocessor", seq_length=5)
    assert shorter([["good"], ["film"]])["input_word_ids"].numpy().tolist() == [[2, 4, 3, 5, 3]]


def test_two_segments(preprocessor, arrays):
    first, second = arrays["first"].tolist(), arrays["second"].tolist()
    expected = golden_case(arrays, "two")
    for segments in ([first, second], (np.array(first), tf.constant(second))):
        assert_equal(preprocessor(segments), expected)


def test_texts_in_every_form(preprocessor, arrays):
    texts = arrays["first"].tolist()
    expected = preprocessor(texts)
    forms = [
        tuple(texts),
        np.array(texts),
        np.array(texts, dtype=object),
        np.array([text.encode() for text in texts]),
        tf.constant(texts),
        [texts],
        (tf.constant(texts),),
    ]
    for form in forms:
        assert_equal(preprocessor(form), expected)


@settings(deadline=None, max_examples=25)
@given(
    texts=st.lists(st.text(max_size=12), max_size=4),
    others=st.lists(st.text("ab dé日!", max_size=12), min_size=4, max_size=4),
    pair=st.booleans(),
    length=st.integers(1, 20),
)
def test_any_length_and_text_as_the_saved_model(preprocessor, texts, others, pair, length):
    texts = [text.encode(errors="ignore").decode() for text in texts]  # no lone surrogates
    segments = [texts, others[: len(texts)]] if pair else [texts]
    saved_model = preprocessor.saved_model
    expected = saved_model.bert_pack_inputs(
        [saved_model.tokenize(tf.constant(segment, tf.string)) for segment in segments],
        seq_length=tf.constant(length),
    )
    before, preprocessor.seq_length = preprocessor.seq_length, length
    try:
        found = preprocessor(segments)
    finally:
        preprocessor.seq_length = before
    assert_equal(found, expected)
    assert found["input_mask"].shape == (len(texts), length)


def test_inside_tf_data(preprocessor, arrays):
    texts = arrays["first"].tolist()
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(2).map(preprocessor)
    found = list(batches)
    assert batches.element_spec["input_mask"].shape.as_list() == [None, 11]
    whole = {name: np.concatenate([batch[name] for batch in found]) for name in NAMES}
    assert_equal(whole, preprocessor(texts))


def test_in_a_functional_model(preprocessor, arrays):
    first, second = (keras.Input((), dtype="string", name=name) for name in ("first", "second"))
    symbolic = preprocessor([first, second])
    assert symbolic.keys() == NAMES
    assert {(x.shape, x.dtype) for x in symbolic.values()} == {((None, 11), "int32")}
    model = keras.Model([first, second], symbolic)
    segments = [tf.constant(arrays[name].tolist()) for name in ("first", "second")]
    assert_equal(model.predict(segments, verbose=0), golden_case(arrays, "two"))


def test_tokenize(preprocessor):
    tokens = preprocessor.tokenize(["Good filming!", "", "日é"])
    words = [[preprocessor.vocabulary[i] for i in row] for row in tokens.merge_dims(1, 2).to_list()]
    assert words == [["good", "film", "##ing", "!"], [], ["日", "e"]]
    assert tokens.dtype == "int32"


def test_special_tokens_and_vocabulary(preprocessor):
    assert preprocessor.special_tokens_dict == {
        "end_of_segment_id": 3,
        "mask_id": 4,
        "padding_id": 0,
        "start_of_sequence_id": 2,
        "vocab_size": 64,
    }
    assert preprocessor.vocabulary[:6] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]
    assert len(preprocessor.vocabulary) == 64


def test_wrong_inputs_are_named(preprocessor):
    wrong = [
        ("one text", "inputs is a str, but must be a list of str"),
        (["a", None], r"inputs\[1\] is None"),
        ([None, "a"], r"inputs\[0\] is None, but must be a list of str"),
        (np.array([1, 2]), r"inputs\[0\] is np.int64\(1\)"),
        (tf.constant([1, 2]), "inputs has the dtype int32: expected string"),
        (tf.constant([["a"], ["b"]]), r"Expected inputs of shape \[batch\], got \(2, 1\)"),
        ([["a"], ["b"], ["c"]], "inputs has 3 segments: expected one or two"),
        ([["a", "b"], ["c"]], r"inputs\[0\] has 2 texts and inputs\[1\] 1"),
        (keras.Input((), dtype="int32"), "inputs has the dtype int32"),
        (keras.Input((1,), dtype="string"), r"got \(None, 1\)"),
    ]
    for inputs, message in wrong:
        with pytest.raises(ValueError, match=message):
            preprocessor(inputs)
    with pytest.raises(ValueError, match="call the layer itself"):
        preprocessor.tokenize(keras.Input((), dtype="string"))


@pytest.mark.parametrize("seq_length", [0, -1, 1.5, "8", True])
def test_wrong_seq_length(golden, seq_length):
    with pytest.raises(ValueError, match=r"seq_length=.* is not a positive integer"):
        HubPreprocessor(golden["preprocessor"], seq_length=seq_length)


def test_preprocessor_without_extras(save_module):
    """A preprocessor that tells neither its special tokens nor its vocabulary, and any tokens."""

    class Part(tf.Module):
        def __init__(self, function):
            self.__call__ = function

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def tokenize(texts):
        return tf.strings.unicode_decode(texts, "UTF-8")

    ragged = tf.RaggedTensorSpec([None, None], tf.int32)

    @tf.function(input_signature=[[ragged], tf.TensorSpec([], tf.int32)])
    def pack(tokens, seq_length):
        return {"input_word_ids": tokens[0].to_tensor(shape=tf.stack([-1, seq_length]))}

    parts = {"tokenize": Part(tokenize), "bert_pack_inputs": Part(pack)}
    folder = save_module(tokenize, **parts)
    with pytest.raises(UserError, match="has no default seq_length: give one"):
        HubPreprocessor(folder)
    layer = HubPreprocessor(folder, seq_length=3)
    assert layer(["ab", "日bcd"])["input_word_ids"].numpy().tolist() == [
        [97, 98, 0],
        [26085, 98, 99],
    ]
    with pytest.raises(UserError, match="does not say its special tokens"):
        _ = layer.special_tokens_dict
    with pytest.raises(UserError, match="carries no vocabulary"):
        _ = layer.vocabulary
