"""Pairs of texts, through every method that takes texts, and ranking by them."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.data import Split
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import FeatureCache, TextClassifier
from kerasformer.text import WordPieceTokenizer, pack

pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:The head of this TextClassifier has not been trained"),
]

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "dull", "film", "acting", "so", "truly"]
PAIRS = [("a fine film", "fine"), ("so dull", "a film"), ("fine", "dull acting"), ("film", "film")]
LABELS = ["same", "other", "other", "same"]
NAMES = ["other", "same"]
KINDS = {
    "pooled": {"pooling": "pooled"},
    "mean": {"pooling": "mean"},
    "frozen": {"freeze_encoder": True},
}


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.from_vocabulary(WORDS)


@pytest.fixture(scope="module")
def make(tokenizer):
    def make(class_names=NAMES, **options):
        keras.utils.set_random_seed(0)
        sizes = {"hidden_size": 12, "num_layers": 2, "num_heads": 3, "intermediate_size": 8}
        sizes |= {"vocab_size": len(WORDS), "max_length": 16, "initializer_range": 0.3}
        options = {"dropout": 0.0, **options}
        encoder = BertEncoder(EncoderConfig(dropout=0.0, attention_dropout=0.0, **sizes))
        return TextClassifier(class_names, encoder, tokenizer, **options)

    return make


@pytest.fixture(scope="module")
def model(make):
    return make(pooling="pooled")


def inputs_of(tokenizer, pairs=PAIRS):
    return pack(tokenizer.tokenize(*map(list, zip(*pairs, strict=True)), max_length=16))


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_pairs_are_trained_on_as_keras_trains_on_their_tokens(make, tokenizer, options):
    ours, theirs = make(**options), make(**options)
    for one in (ours, theirs):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        one.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    ids, batch = np.array([1, 0, 0, 1]), inputs_of(tokenizer)
    np.testing.assert_allclose(
        ours.train_on_batch(PAIRS, LABELS), theirs.train_on_batch(batch, ids), rtol=1e-5
    )
    common = {"batch_size": 4, "epochs": 2, "verbose": 0}
    history = ours.fit(PAIRS, LABELS, **common).history
    expected = theirs.fit(batch, ids, **common).history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-4)
    logits = theirs.predict(batch, verbose=0)
    np.testing.assert_allclose(ours.predict(PAIRS), logits, atol=1e-5)
    np.testing.assert_allclose(ours.predict_on_batch(PAIRS), logits, atol=1e-5)
    np.testing.assert_allclose(
        ours.evaluate(PAIRS, LABELS), theirs.evaluate(batch, ids, verbose=0), rtol=1e-5
    )
    np.testing.assert_allclose(
        ours.test_on_batch(PAIRS, LABELS), theirs.test_on_batch(batch, ids), rtol=1e-5
    )
    assert ours.classify(PAIRS) == [NAMES[i] for i in logits.argmax(axis=-1)]


def pairs_in_tf(form):
    tf = pytest.importorskip("tensorflow")
    first, second = map(list, zip(*PAIRS, strict=True))
    columns = tf.data.Dataset.from_tensor_slices(((first, second), LABELS))
    rows = tf.data.Dataset.from_tensor_slices((PAIRS, LABELS))
    forms = {
        "columns": columns,
        "rows": rows,
        "batched": columns.batch(3),
        "batches": rows.batch(3),
    }
    return forms[form]


@pytest.mark.parametrize("form", ["columns", "rows", "batched", "batches"])
def test_pairs_out_of_tf_data(model, form):
    dataset = pairs_in_tf(form)
    np.testing.assert_allclose(model.predict(dataset), model.predict(PAIRS), atol=1e-6)
    np.testing.assert_allclose(model.evaluate(dataset), model.evaluate(PAIRS, LABELS), rtol=1e-5)


def test_a_tensor_of_pairs(model):
    tf = pytest.importorskip("tensorflow")
    expected = model.predict(PAIRS)
    np.testing.assert_allclose(model.predict(tf.constant(PAIRS)), expected, atol=1e-6)


def test_pairs_in_other_forms(model):
    class Frame:  # of pandas
        def to_numpy(self):
            return np.array(PAIRS, dtype=object)

    expected = model.predict(PAIRS)
    forms = [[list(pair) for pair in PAIRS], np.array(PAIRS), Frame()]
    forms += [[tuple(map(str.encode, pair)) for pair in PAIRS], Split(PAIRS, [1, 0, 0, 1])]
    for form in forms:
        np.testing.assert_allclose(model.predict(form), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (["fine", ("fine", "film")], r"texts\[1\] is a pair and texts\[0\] is not: give either"),
        ([("fine", None)], r"texts\[0\]\[1\] is None"),
        ([("fine", "a", "film")], r"texts\[0\] is a tuple of 3"),
        (np.array([["fine", "a", "film"]]), r"array of shape \(1, 3\)"),
    ],
)
def test_what_is_no_pair_is_one_sentence(model, x, message):
    for call in (model.predict, model.tokenize, model.features):
        with pytest.raises(UserError, match=message) as error:
            call(x)
        assert "\n" not in str(error.value)


def test_a_long_pair_loses_the_end_of_its_longer_text(model):
    (ids,) = model.tokenize([("fine " * 20, "dull film")]).ids
    assert ids == [2, *[5] * 11, 3, 6, 7, 3]
    assert model.tokenize(PAIRS).type_ids[0] == [0, 0, 0, 0, 0, 1, 1]


def test_features_of_pairs_are_their_own(make, tmp_path):
    model, cache = make(freeze_encoder=True), FeatureCache(tmp_path)
    features = model.features(PAIRS, cache=cache)
    np.testing.assert_array_equal(model.features(PAIRS, cache=cache), features)
    firsts = [first for first, _ in PAIRS]
    singles = [text for pair in zip(*PAIRS, strict=True) for text in pair]
    assert len(model.features(singles, cache=cache)) == 2 * len(PAIRS)
    assert not np.allclose(model.features(firsts), features)


def test_an_encoder_without_segments_gets_none(make):
    """As of DistilBERT, which is saved in its own kind only where no second segment was trained."""
    model = make()
    table = model.encoder.embedding.type_embeddings.embeddings
    table.assign(np.concatenate([np.ones((1, 12)), np.zeros((1, 12))]))
    model.fit(PAIRS, LABELS, epochs=1, verbose=0)
    assert not np.any(keras.ops.convert_to_numpy(table)[1])
    assert not any(map(any, model.tokenize(PAIRS).type_ids))


# Laws

texts = st.lists(st.sampled_from(WORDS[4:]), max_size=6).map(" ".join)


@settings(max_examples=15, deadline=None)
@given(pairs=st.lists(st.tuples(texts, texts), min_size=1, max_size=6), data=st.data())
def test_order_and_padding_do_not_matter(model, tokenizer, pairs, data):
    order = data.draw(st.permutations(range(len(pairs))))
    expected = model.predict(pairs, batch_size=2)
    shuffled = model.predict([pairs[i] for i in order], batch_size=3)
    np.testing.assert_allclose(shuffled, expected[list(order)], atol=1e-5)
    columns = map(list, zip(*pairs, strict=True))
    padded = pack(tokenizer.tokenize(*columns, max_length=16), pad_to=16)
    np.testing.assert_allclose(model.predict_on_batch(padded), expected, atol=1e-5)


# Ranking


def test_ranking_is_by_the_probability_of_the_last_of_two_classes(model):
    texts = ["fine", "dull film", "acting", "fine", "so"]
    ranked = model.rank("a film", texts)
    scores = model.predict_proba([("a film", text) for text in texts])[:, 1]
    assert [one["index"] for one in ranked] == np.argsort(-scores, kind="stable").tolist()
    np.testing.assert_allclose([one["score"] for one in ranked], np.sort(scores)[::-1], atol=1e-6)
    assert all(texts[one["index"]] == one["text"] for one in ranked)
    assert model.rank("a film", texts, top_k=2) == ranked[:2]
    others = {one["index"]: one["score"] for one in model.rank("a film", texts, class_name="other")}
    for one in ranked:
        assert others[one["index"]] == pytest.approx(1 - one["score"], abs=1e-6)
    assert model.rank("a film", []) == []


def test_what_cannot_be_ranked(make):
    model = make(["no", "perhaps", "yes"])
    with pytest.raises(UserError, match="one of the 3 classes, which: give class_name, one of"):
        model.rank("a", ["b"])
    with pytest.raises(UserError, match="not 'maybe': give class_name"):
        model.rank("a", ["b"], class_name="maybe")
    with pytest.raises(UserError, match="query is None"):
        model.rank(None, ["b"], class_name="yes")
    with pytest.raises(ValueError, match="top_k=0"):
        model.rank("a", ["b"], top_k=0, class_name="yes")
