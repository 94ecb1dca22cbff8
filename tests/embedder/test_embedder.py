"""TextEmbedder: what it gives for texts, whatever their order, batch, number and kind."""

import itertools
import threading
import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer import BertEncoder, EncoderConfig, TextEmbedder, hardware
from kerasformer.data.shapes import are_few
from kerasformer.embedder import TruncationWarning, batching, pipeline
from kerasformer.embedder.progress import Progress
from kerasformer.errors import UserError
from kerasformer.layers import LayerPooling
from kerasformer.text import WordPieceTokenizer, pack

pytestmark = pytest.mark.filterwarnings("ignore::kerasformer.embedder.TruncationWarning")

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "film", "##s", "was"),
    *("is", "!", ".", ",", "a", "👍"),
]
TEXTS = ["The good films.", "", "bad!", "the film was good, the film is bad.", "the " * 50]
HIDDEN = 12


@pytest.fixture(scope="module")
def parts():
    keras.utils.set_random_seed(3)
    config = EncoderConfig(
        vocab_size=len(WORDS),
        hidden_size=HIDDEN,
        num_layers=2,
        num_heads=3,
        intermediate_size=7,
        max_length=20,
        initializer_range=0.5,
    )
    return BertEncoder(config), WordPieceTokenizer.from_vocabulary(WORDS)


@pytest.fixture(scope="module")
def embedder(parts):
    return TextEmbedder(*parts)


def by_hand(parts, text, max_length=20):
    """The token vectors of one text alone."""
    encoder, tokenizer = parts
    inputs = pack(tokenizer.tokenize([text], max_length=max_length))
    output = encoder(inputs, outputs=["sequence_output"])["sequence_output"]
    return keras.ops.convert_to_numpy(output)[0]


words = st.lists(st.sampled_from(["the", "bad", "films", "👍", "zzz"]), max_size=40)
texts_of_any_length = st.lists(words.map(" ".join), min_size=1, max_size=12)


@given(
    texts=texts_of_any_length,
    batch_size=st.none() | st.integers(1, 5),
    long=st.sampled_from(["truncate", "window"]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=25 if keras.backend.backend() == "tensorflow" else 5)
def test_neither_order_nor_batch_matters(embedder, texts, batch_size, long, seed):
    order = np.random.default_rng(seed).permutation(len(texts))
    alone = np.stack([embedder.encode(text, long=long) for text in texts])
    assert (alone.shape, alone.dtype) == ((len(texts), HIDDEN), np.float32)
    mixed = embedder.encode([texts[i] for i in order], long=long, batch_size=batch_size)
    np.testing.assert_allclose(mixed, alone[order], atol=1e-5, rtol=0)


def test_equals_the_encoder_averaged_by_hand(embedder, parts):
    expected = [by_hand(parts, text).mean(axis=0) for text in TEXTS]
    np.testing.assert_allclose(embedder.encode(TEXTS), expected, atol=1e-5, rtol=0)


def test_a_short_text_is_one_window(embedder):
    for output in ("token", "word", "hidden_states"):
        cut = embedder.encode(TEXTS[:4], output=output)
        windowed = embedder.encode(TEXTS[:4], output=output, long="window")
        for one, other in zip(cut, windowed, strict=True):
            np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-6)
            assert one.offsets == other.offsets


def test_other_iterables_and_one_text(embedder):
    expected = embedder.encode(TEXTS)
    for texts in (iter(TEXTS), tuple(TEXTS), np.array(TEXTS)):
        np.testing.assert_array_equal(embedder.encode(texts), expected)
    single = embedder.encode(TEXTS[3])
    assert single.shape == (HIDDEN,)
    np.testing.assert_allclose(single, expected[3], atol=1e-6)
    pair = embedder.encode("bad", "film", output="token")
    assert pair.segments == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("options", "shape", "dtype"),
    [
        ({}, (0, 12), "float32"),
        ({"layers": "all", "combine": "stack"}, (0, 3, 12), "float32"),
        ({"layers": [0, 1], "combine": "concat", "pooling": ["mean", "max"]}, (0, 48), "float32"),
        ({"dimensions": 5, "dtype": "int8"}, (0, 5), "int8"),
        ({"dtype": "binary"}, (0, 2), "uint8"),
    ],
    ids=str,
)
def test_no_texts(embedder, options, shape, dtype):
    nothing = embedder.encode([], **options)
    assert (nothing.shape, nothing.dtype) == (shape, dtype)
    assert embedder.encode([], output="token", **options) == []
    assert list(embedder.stream([], **options)) == []
    some = embedder.encode(TEXTS[:2], **options)
    assert (some.shape[1:], some.dtype) == (shape[1:], dtype)


def test_normalizing(parts, embedder):
    plain = embedder.encode(TEXTS)
    scaled = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.encode(TEXTS, normalize=True), scaled, rtol=1e-6)
    normalizing = TextEmbedder(*parts, normalize=True)
    np.testing.assert_allclose(normalizing.encode(TEXTS), scaled, rtol=1e-6)
    np.testing.assert_array_equal(normalizing.encode(TEXTS, normalize=False), plain)
    tokens = normalizing.encode(TEXTS[0], output="token")  # these only where it is asked for
    np.testing.assert_allclose(tokens.vectors, by_hand(parts, TEXTS[0]), atol=1e-5)
    tokens = normalizing.encode(TEXTS[0], output="token", normalize=True)
    np.testing.assert_allclose(np.linalg.norm(tokens.vectors, axis=1), 1, rtol=1e-6)


def test_maximum_length(parts):
    embedder = TextEmbedder(*parts, max_length=5)
    expected = [by_hand(parts, text, max_length=5).mean(axis=0) for text in TEXTS]
    np.testing.assert_allclose(embedder.encode(TEXTS), expected, atol=1e-5, rtol=0)
    assert TextEmbedder(*parts, max_length=20).max_length == 20
    with pytest.raises(UserError, match="max_length is 21, but the encoder takes texts of at most"):
        TextEmbedder(*parts, max_length=21)


def test_poolings_are_concatenated(parts, embedder):
    modes = ["cls", "pooled"]
    each = [embedder.encode(TEXTS, pooling=mode) for mode in modes]
    embedder = TextEmbedder(*parts, modes)
    assert embedder.size == 24
    np.testing.assert_allclose(embedder.encode(TEXTS), np.concatenate(each, 1), rtol=1e-5)


def test_pooling_without_special_tokens(embedder, parts):
    ours = embedder.encode(TEXTS, ["bad"] * 5, special_tokens=False)
    tokens = embedder.encode(TEXTS, ["bad"] * 5, output="token", special_tokens=False)
    np.testing.assert_allclose(ours, [t.vectors.mean(0) for t in tokens], atol=1e-5)
    assert "[SEP]" not in tokens[0].tokens
    # A text without any token of its own: its special tokens, never NaN.
    empty = embedder.encode("", special_tokens=False)
    np.testing.assert_allclose(empty, by_hand(parts, "").mean(0), atol=1e-5)


def test_a_prompt_left_out_of_the_pooling(parts):
    embedder = TextEmbedder(*parts, prompt="the bad ", include_prompt=False)
    tokens = by_hand(parts, "the bad film")
    np.testing.assert_allclose(embedder.encode("film"), tokens[3:].mean(0), atol=1e-6)
    result = embedder.encode("film", output="token")
    assert (result.tokens, result.offsets) == (["[CLS]", "film", "[SEP]"], [None, (0, 4), None])
    np.testing.assert_allclose(result.vectors, tokens[[0, 3, 4]], atol=1e-6)
    with pytest.raises(UserError, match="max_length is 3, and the prompt has 3 tokens already"):
        TextEmbedder(*parts, prompt="the bad ", include_prompt=False, max_length=3)


def test_a_prompt_of_a_call(embedder, parts):
    tokens = by_hand(parts, "the bad films!")
    result = embedder.encode("films!", output="token", prompt="the bad ")
    assert result.tokens == ["[CLS]", "the", "bad", "film", "##s", "!", "[SEP]"]
    assert result.offsets == [None, None, None, (0, 4), (4, 5), (5, 6), None]
    for text in ("films!", ["films", "!"]):
        result = embedder.encode([text], output="word", prompt="the bad ")[0]
        assert result.words == ["films", "!"]
        np.testing.assert_allclose(result.vectors, [tokens[3:5].mean(0), tokens[5]], atol=1e-6)
    windowed = embedder.encode("films " * 30, output="word", prompt="the bad ", long="window")
    assert windowed.words == ["films"] * 30
    assert windowed.offsets == [(6 * i, 6 * i + 5) for i in range(30)]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_half_precision_gives_float32_near_to_it(parts, embedder, policy):
    encoder, tokenizer = parts
    half = BertEncoder(encoder.config, dtype=policy)
    half.set_weights(encoder.get_weights())
    half = TextEmbedder(half, tokenizer)
    for options in ({}, {"layers": "all", "combine": "concat", "pooling": "max"}):
        vectors = half.encode(TEXTS, **options)
        expected = embedder.encode(TEXTS, **options)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, expected, atol=0.1)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((vectors * expected).sum(axis=1) / lengths).min() > 0.999


def test_a_trained_mix_of_layers(embedder, parts):
    mix = LayerPooling("all", "scalar_mix")
    mix.build([(None, None, HIDDEN)] * 3)
    mix.set_weights([np.array([0.0, 50.0, 0.0]), np.array(2.0)])
    np.testing.assert_allclose(
        embedder.encode(TEXTS, layers=mix), 2 * embedder.encode(TEXTS, layers=1), atol=1e-5
    )
    assert TextEmbedder(*parts, layers=mix).size == HIDDEN


def test_one_graph_for_all_shapes(parts, monkeypatch):
    calls = []
    plain = BertEncoder.call
    monkeypatch.setattr(BertEncoder, "call", lambda *a, **k: calls.append(1) or plain(*a, **k))
    embedder = TextEmbedder(*parts)
    for batch_size in (1, 2, 3, None):
        embedder.encode(TEXTS, batch_size=batch_size)
    assert len(calls) == 1 or keras.backend.backend() != "tensorflow"


@pytest.mark.parametrize("output", ["sentence", "hidden_states"])
def test_long_work_has_few_shapes_and_each_text_is_told_once(parts, output, monkeypatch):
    shapes, done, plain = set(), [], batching.pack

    def pack(*args, **kwargs):
        batch = plain(*args, **kwargs)
        shapes.add(batch["input_word_ids"].shape)
        return batch

    monkeypatch.setattr(batching, "pack", pack)
    monkeypatch.setattr(batching, "batch_tokens", lambda *_: 64)
    embedder = TextEmbedder(*parts)
    options = embedder._options(output=output)
    for count in range(40, 60):
        items = [("good " * (i % 7), None) for i in range(count)]
        pool = embedder._pipeline.read_pool(items, options)
        results, _ = embedder._pipeline.run_pool(pool, options, Progress(done.append))
        assert len(results) == sum(done) == count
        done.clear()
    widths = {width for _, width in shapes}
    # The full batches of each width, and of the last width those of 1, 2, 4, 8... rows.
    assert len(shapes) <= len(widths) + 6


@pytest.mark.parametrize("output", ["sentence", "token", "word", "hidden_states"])
def test_a_stream_gives_what_encode_gives(embedder, output, monkeypatch):
    texts = TEXTS * 3
    expected = embedder.encode(texts, texts[::-1], output=output)
    monkeypatch.setattr(pipeline, "_POOL_TEXTS", 4)
    stream = embedder.stream(iter(texts), iter(texts[::-1]), output=output)
    for ours, theirs in itertools.zip_longest(stream, expected):
        if output != "sentence":
            assert ours.offsets == theirs.offsets
            ours, theirs = ours.vectors, theirs.vectors
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_an_endless_stream_is_read_in_pools(embedder, monkeypatch):
    monkeypatch.setattr(pipeline, "_POOL_TEXTS", 5)
    read = []
    endless = (read.append(i) or "the film" for i in itertools.count())
    vectors = list(itertools.islice(embedder.stream(endless), 7))
    assert len(vectors) == 7
    # Two pools, and the text that shows that the second one is full; for accelerators a third one.
    assert len(read) <= (16 if are_few() else 11)


def test_pools_of_long_texts_hold_fewer(embedder, monkeypatch):
    monkeypatch.setattr(pipeline, "_POOL_CHARACTERS", 100)
    read = []
    texts = (read.append(i) or "bad " * 20 for i in range(9))
    stream = embedder.stream(texts)
    next(stream)
    assert len(read) == (3 if are_few() else 2)
    assert len(list(stream)) == 8


@pytest.fixture
def on_accelerator(monkeypatch):
    """Pools of two texts, on an accelerator."""
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    monkeypatch.setattr(pipeline, "_POOL_TEXTS", 2)
    assert are_few()


def test_an_accelerator_has_the_next_pool_tokenized_meanwhile(
    embedder, on_accelerator, monkeypatch
):
    expected, here = embedder.encode(TEXTS), threading.current_thread()
    found, plain = [], embedder._pipeline.read_pool

    def read_pool(pool, options):
        found.append((pool[0][0], threading.current_thread() is here))
        return plain(pool, options)

    monkeypatch.setattr(embedder._pipeline, "read_pool", read_pool)
    stream = embedder.stream(iter(TEXTS))
    np.testing.assert_allclose(next(stream), expected[0], atol=1e-6)
    assert sorted(found) == sorted([(TEXTS[0], True), (TEXTS[2], False)])
    np.testing.assert_allclose(list(stream), expected[1:], atol=1e-6)
    assert len(found) == -(-len(TEXTS) // 2)


@pytest.mark.parametrize(
    ("wrong", "options", "said"),
    [(5, {}, r"^texts\[5\] is 5, a int"), ("bad " * 99, {"overlap": 99}, "^overlap is 99, and a")],
)
def test_there_errors_come_behind_the_texts_before(embedder, on_accelerator, wrong, options, said):
    """That of reading a text, and that of its tokens, which the other thread makes."""
    threads = threading.active_count()
    stream = embedder.stream(iter(["good"] * 5 + [wrong]), long="window", **options)
    assert len([next(stream) for _ in range(4)]) == 4
    with pytest.raises(UserError, match=said):
        next(stream)
    assert threading.active_count() == threads


def test_all_pools_have_the_shapes_of_the_first(embedder, on_accelerator, monkeypatch):
    shapes, plain = [], batching.pack

    def pack(*args, **kwargs):
        batch = plain(*args, **kwargs)
        shapes.append(batch["input_word_ids"].shape)
        return batch

    monkeypatch.setattr(batching, "pack", pack)
    embedder.encode(["good", "good", "bad " * 30, "bad " * 30] * 20)
    assert len(shapes) == 40
    assert len(set(shapes)) == 2


def test_no_thread_stays_behind_a_stream_that_is_left(embedder, on_accelerator):
    threads = threading.active_count()
    stream = embedder.stream("the film" for _ in itertools.count())
    assert len(list(itertools.islice(stream, 3))) == 3
    assert threading.active_count() == threads + 1
    stream.close()
    assert threading.active_count() == threads


def test_the_warning_of_a_cut(embedder):
    def caught(call):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            call()
        return found

    (warning,) = caught(lambda: embedder.encode([*TEXTS, "bad " * 19, "a " * 18]))
    assert warning.category is TruncationWarning
    assert (warning.message.texts, warning.message.tokens) == (2, 33)
    assert "33 tokens were cut off, of 2 of the texts" in str(warning.message)
    assert warning.filename == __file__
    assert not caught(lambda: embedder.encode(TEXTS[:4]))
    assert not caught(lambda: embedder.encode(TEXTS, long="window"))
    (warning,) = caught(lambda: list(embedder.stream(TEXTS * 2)))
    assert warning.message.texts == 2


def test_a_very_long_line(embedder):
    """1 MB, in one text beside others: 250,000 tokens in windows."""
    line = "the bad " * 125_000
    vectors = embedder.encode(["film", line], long="window", layers="embeddings")
    np.testing.assert_allclose(vectors[0], embedder.encode("film", layers="embeddings"), atol=1e-5)
    assert np.isfinite(vectors).all()
    assert embedder.encode(line, output="token").tokens[1:3] == ["the", "bad"]


def test_odd_texts(embedder):
    odd = ["👍🏽 👍", "\0", " \t\n", "\u200b", "a" * 5000, "ﬁlm ½", "[SEP] [CLS]", "\ufeff", "é́"]
    vectors = embedder.encode(odd)
    assert np.isfinite(vectors).all()
    for text, result in zip(odd, embedder.encode(odd, output="word"), strict=True):
        assert result.words == [text[start:end] for start, end in result.offsets]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None], r"texts\[1\] is None, a NoneType, but must be a str"),
        (["a", "b", float("nan")], r"texts\[2\] is nan, a float, but must be a str"),
        ([b"a"], r"texts\[0\] is b'a', a bytes, but must be a str"),
        (["\ud800"], r"texts\[0\] holds half a surrogate pair at character 0"),
        ([["a", "b"]], r"texts\[0\] is \['a', 'b'\], a list, but must be a str"),
        (7, "texts is 7, but must be a list of str"),
        (b"bytes", "texts is a bytes, but must be a list of str"),
        ({"a": 1}, "texts is a dict, but must be a list of str"),
        (np.array([["a"]]), "texts is a ndarray, but must be a list of str"),
    ],
    ids=["None", "NaN", "bytes", "surrogate", "words", "number", "one bytes", "dict", "matrix"],
)
def test_what_is_no_list_of_texts(embedder, texts, message):
    with pytest.raises(UserError, match=message):
        embedder.encode(texts)
    with pytest.raises(UserError, match=message):
        list(embedder.stream(texts))


def test_what_is_no_list_of_words_or_pairs(embedder):
    with pytest.raises(UserError, match=r"texts\[0\]\[1\] is 3, a int, but must be a str"):
        embedder.encode([["a", 3]], output="word")
    with pytest.raises(UserError, match="There are more texts than the 1 pairs"):
        embedder.encode(["a", "b"], ["c"])
    with pytest.raises(UserError, match="There are more pairs than the 1 texts"):
        embedder.encode(["a"], iter(["c", "d"]))
    with pytest.raises(UserError, match=r"pairs\[0\] is None"):
        embedder.encode(["a"], [None])
    with pytest.raises(UserError, match="texts is a str, but must be a list of str"):
        embedder.stream("one text")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "median"}, "pooling='median' is not one of 'mean', 'max'"),
        ({"pooling": []}, "give at least one"),
        ({"pooling": "cls", "special_tokens": False}, "'cls' takes the special token before"),
        ({"pooling": "pooled", "layers": -2}, "'pooled' takes the last layer alone"),
        ({"layers": 3}, "out of reach: there are 3 hidden states"),
        ({"layers": "sum_last_four"}, "out of reach"),
        ({"layers": "lasst"}, "layers='lasst' is not one of 'all', 'last'"),
        ({"layers": "sum_all", "combine": "concat"}, "is combined by 'sum', not by 'concat'"),
        ({"layers": [0], "combine": "product"}, "combine='product' is not one of 'last', 'sum'"),
        ({"layers": LayerPooling("all"), "combine": "sum"}, "leave combine out"),
        ({"output": "words"}, "output is 'words', but must be one of sentence, token"),
        ({"word_pooling": "last"}, "word_pooling is 'last', but must be one of mean, sum"),
        ({"dtype": "float64"}, "dtype is 'float64', but must be one of float32"),
        ({"long": "cut"}, "long is 'cut', but must be one of truncate, window"),
        ({"dimensions": 13}, "dimensions is 13, and the vectors have 12"),
        ({"dimensions": 0}, "dimensions is 0, but must be a whole number, 1 or more"),
        ({"batch_size": 1.5}, "batch_size is 1.5, but must be a whole number"),
        ({"overlap": -1}, "overlap is -1, but must be a whole number, 0 or more"),
        ({"prompt": None, "overlap": True}, "overlap is True"),
        ({"prompt": 3}, "prompt is 3, but must be a str"),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit(embedder, options, message):
    with pytest.raises(UserError, match=message):
        embedder.encode(TEXTS, **options)
    with pytest.raises(UserError, match=message):
        embedder.stream(TEXTS, **options)


def test_unknown_arguments_are_refused(embedder, parts):
    for call in (
        embedder.encode,
        embedder.stream,
        lambda _, **given: TextEmbedder(*parts, **given),
    ):
        with pytest.raises(TypeError, match="unexpected keyword argument 'normalise'"):
            call(TEXTS, normalise=True)


def test_settings_that_do_not_fit(parts):
    _, tokenizer = parts
    with pytest.raises(UserError, match="pooling='median' is not one of"):
        TextEmbedder(*parts, "median")
    with pytest.raises(UserError, match="max_length is 2, but must be a whole number, 3 or more"):
        TextEmbedder(*parts, max_length=2)
    dense = keras.layers.Dense(7)
    dense.build((None, HIDDEN))
    embedder = TextEmbedder(*parts, dense=[dense])
    assert embedder.size == embedder.encode("bad").size == 7
    assert embedder.encode("bad", output="token").vectors.shape == (3, HIDDEN)
    with pytest.raises(UserError, match="dense layer takes vectors of 12, not of 24"):
        embedder.encode("bad", layers=[0, 1], combine="concat")
    bare = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(WORDS), pooler=False))
    with pytest.raises(UserError, match="'pooled' needs a pooler, which this encoder lacks"):
        TextEmbedder(bare, tokenizer, "pooled")


@pytest.mark.parametrize("show", [True, False])
def test_the_progress_bar_goes_to_stderr(embedder, show, capsys):
    embedder.encode(TEXTS, show_progress_bar=show)
    done = []
    embedder.encode(TEXTS, long="window", batch_size=2, show_progress_bar=done.append)
    assert sum(done) == len(TEXTS)
    assert len(done) > 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("5/5" in shown.err and "texts/s" in shown.err) == show


def test_a_tokenizer_with_more_tokens_than_the_encoder_is_refused(parts):
    encoder, _ = parts
    larger = WordPieceTokenizer.from_vocabulary([*WORDS, "more"])
    with pytest.raises(UserError, match=r"has 18 tokens and the encoder embeddings for 17"):
        TextEmbedder(encoder, larger)
