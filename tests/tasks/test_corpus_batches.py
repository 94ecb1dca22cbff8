"""The examples of pretraining: their laws, and what follows from the seed alone."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer import hardware
from kerasformer.data.raw import TokenCorpus
from kerasformer.data.raw.encoding import fingerprint_of
from kerasformer.errors import UserError
from kerasformer.tasks import prediction
from kerasformer.tasks.pretraining.causal_batches import CausalBatches
from kerasformer.tasks.pretraining.corpus_batches import SegmentBatches
from kerasformer.text import WordPieceTokenizer, WordTokenizer
from kerasformer.text.masking import TokenMasking

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS += [f"w{i}" for i in range(1000)] + [f"##s{i}" for i in range(500)]
TOKENIZER = WordPieceTokenizer.from_vocabulary(WORDS)
ABOUT = TokenCorpus.of(["w1"], TOKENIZER).about


def corpus_of(documents, **about):
    """A corpus of documents of sentences of ids."""
    sentences = [sentence for document in documents for sentence in document]
    starts = np.cumsum([0, *map(len, sentences)])
    ends = np.cumsum([0, *map(len, documents)])
    spans = np.stack([ends[:-1], ends[1:]], axis=1)
    return TokenCorpus(np.concatenate(sentences).astype("uint16"), starts, spans, ABOUT | about)


def random_corpus(documents=200, seed=0, most=40):
    """Documents each of whose tokens are of ids of its own where there are not many."""
    rng = np.random.default_rng(seed)
    return corpus_of(
        [
            [rng.integers(5, 1505, rng.integers(1, most)) for _ in range(rng.integers(1, 12))]
            for _ in range(documents)
        ]
    )


CORPUS = random_corpus()
WORDS_ALONE = TokenCorpus.of(["a b"], WordTokenizer.train(["a b"]))


MASKING = TokenMasking.of(TOKENIZER)


def batches(corpus=CORPUS, batch_size=16, max_length=64, seed=0, **kwargs):
    kwargs = {"masking": MASKING} | kwargs
    return SegmentBatches(corpus, TOKENIZER, batch_size, max_length, seed, **kwargs)


def windows_of(corpus, *args, **kwargs):
    return CausalBatches(corpus, TOKENIZER, *args, **kwargs)


def stream(data):
    """All examples of the present epoch, without padding."""
    for x, y, weight in data:
        y, weight = (one if isinstance(one, dict) else {"mlm_logits": one} for one in (y, weight))
        for row, mask in enumerate(x["input_mask"]):
            length, count = mask.sum(), int(weight["mlm_logits"][row].sum())
            label = y["next_sentence_logits"][row] if "next_sentence_logits" in y else 0
            yield (
                x["input_word_ids"][row, :length].tolist(),
                x["input_type_ids"][row, :length].tolist(),
                x["masked_lm_positions"][row, :count].tolist(),
                y["mlm_logits"][row, :count].tolist(),
                int(label),
            )


def whole(example):
    """The tokens of an example before any was hidden."""
    ids, _, positions, labels, _ = example
    ids = np.array(ids)
    ids[positions] = labels
    return ids


@pytest.mark.parametrize("next_sentence", [True, False])
def test_shapes_and_dtypes(next_sentence):
    x, y, weight = batches(next_sentence=next_sentence)[0]
    assert set(x) == {"input_word_ids", "input_mask", "input_type_ids", "masked_lm_positions"}
    assert all(array.dtype == "int32" and len(array) == 16 for array in x.values())
    if next_sentence:
        assert set(y) == set(weight) == {"mlm_logits", "next_sentence_logits"}
        assert y["next_sentence_logits"].shape == weight["next_sentence_logits"].shape == (16,)
        y, weight = y["mlm_logits"], weight["mlm_logits"]
    assert y.shape == weight.shape == x["masked_lm_positions"].shape
    assert (y.dtype, weight.dtype) == ("int32", "float32")


@pytest.mark.parametrize("whole_words", [False, True])
def test_15_percent_are_chosen_and_80_10_10_of_them_hidden(whole_words):
    masking = TokenMasking.of(TOKENIZER, whole_words=whole_words)
    data = batches(random_corpus(2000), masking=masking, short_share=0.0)
    examples = tokens = chosen = masked = same = other = 0
    for example in stream(data):
        ids, _, positions, labels, _ = example
        before = whole(example)
        assert np.isin(labels, np.arange(5), invert=True).all()
        if len(ids) < 20:  # of which one is hidden at least
            continue
        examples += 1
        tokens += (before >= 5).sum()
        chosen += len(positions)
        hidden = np.array(ids)[positions]
        masked += (hidden == 4).sum()
        same += (hidden == labels).sum()
        other += ((hidden != 4) & (hidden != labels)).sum()
    # The share of each row is rounded up or down at random.
    assert abs(chosen - 0.15 * tokens) < 5 * 0.5 * np.sqrt(examples)
    for count, share in ((masked, 0.8), (same, 0.1), (other, 0.1)):
        assert abs(count - share * chosen) < 5 * np.sqrt(chosen * share * (1 - share))


def test_half_of_the_pairs_are_from_another_document():
    # The ids of a document say which it is.
    documents = [[[5 + i] * 7] * (1 + i % 9) for i in range(500)]
    data = batches(corpus_of(documents), max_length=32)
    labels = []
    for epoch in range(3):
        data.start_epoch(epoch)
        for example in stream(data):
            own = whole(example)
            (end,) = np.flatnonzero(own == 3)[:-1]
            first, second = set(own[1:end].tolist()), set(own[end + 1 : -1].tolist())
            assert len(first) == len(second) == 1
            assert (first != second) == example[-1]
            labels.append(example[-1])
    assert abs(np.mean(labels) - 0.5) < 5 * 0.5 / np.sqrt(len(labels))


def test_a_following_segment_follows():
    """Ids count up within a document, so that what follows goes on counting."""
    documents = [[np.arange(i, i + 10) for i in range(5, 995, 10)] for _ in range(3)]
    data = batches(corpus_of(documents), max_length=40, short_share=0.0)
    kept = []
    for example in stream(data):
        ids, types, *_, is_random = example
        own = whole(example)
        assert own[0] == 2
        assert own[-1] == 3
        first, second = own[1 : types.index(1) - 1], own[types.index(1) : -1]
        assert (np.diff(first) == 1).all()
        assert (np.diff(second) == 1).all()
        assert len(ids) <= 40
        if not is_random:
            kept.append(second[0] - first[-1] - 1)
    # The three tokens too many of 40 are missing at the seam as often as at the outer ends.
    assert set(kept) == {0, 1, 2, 3}
    assert np.mean(kept) == pytest.approx(1.5, abs=5 * np.sqrt(0.75 / len(kept)))


def test_the_stream_follows_from_the_seed_and_not_from_the_batch():
    one, other = (list(stream(batches(batch_size=size))) for size in (7, 64))
    assert one == other
    assert one != list(stream(batches(seed=1)))


@pytest.mark.parametrize("next_sentence", [True, False])
def test_an_epoch_begins_at_any_step(next_sentence):
    """In another process too, which made none of the epochs before."""
    kwargs = {"next_sentence": next_sentence, "steps": 33}  # epochs begin within passes
    data = batches(**kwargs)
    for epoch in range(4):
        data.start_epoch(epoch)
    whole_epoch = [batch[0]["input_word_ids"] for batch in data]
    again = batches(**kwargs)
    again.start_epoch(3, step=20)
    assert len(again) == 13
    for mine, its in zip(again, whole_epoch[20:], strict=True):
        np.testing.assert_array_equal(mine[0]["input_word_ids"], its)


@pytest.mark.parametrize("make", [batches, lambda: windows_of(CORPUS, 16, 32, seed=0)])
def test_any_number_of_workers_makes_the_same_batches(make):
    expected = [x["input_word_ids"] for x, *_ in make()]
    data = make()  # whose batches are asked for by several threads, in any order
    order = np.random.default_rng(0).permutation(len(data))
    with ThreadPoolExecutor(4) as workers:
        found = dict(zip(order, workers.map(data.__getitem__, order), strict=True))
    for number, ids in enumerate(expected):
        np.testing.assert_array_equal(found[number][0]["input_word_ids"], ids)


def test_a_pass_is_planned_once():
    data, planned = batches(), []
    plan, both = data.plan, threading.Barrier(2)

    def slow(number):
        planned.append(number)
        time.sleep(0.05)
        return plan(number)

    def start(_):
        both.wait()
        data.start_epoch(1)

    data.plan = slow
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(start, range(2)))
    assert planned == [1]


@pytest.mark.backend("tensorflow")
def test_reading_ahead_ends_no_epoch_of_who_trains(monkeypatch):
    """One thread has read an epoch, and begins the next one, as the other does the same."""
    data = batches(CORPUS.take(range(20)))
    given, begins, begun = data.batches, threading.Event(), []
    batches_of = data._batches_of

    def slow(epoch, step):
        is_first = not begins.is_set()
        begins.set()
        time.sleep(0.1 if is_first else 0)
        begun.append(epoch)
        return batches_of(epoch, step)

    monkeypatch.setattr(data, "_batches_of", slow)
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(lambda: sum(1 for _ in data.for_backend()))
        begins.wait()
        data.start_epoch(1)
        own = data.batches
        assert reading.result() == len(given)
    assert data.batches is own
    assert (data.epoch, begun) == (1, [1, 1])


def test_where_shapes_are_few_there_are_eight(monkeypatch):
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    data = batches(random_corpus(2000), batch_size=32, max_length=128)
    shapes = {x["masked_lm_positions"].shape[1:] + x["input_mask"].shape[1:] for x, *_ in data}
    assert len(shapes) <= 8
    real = sum(x["input_mask"].sum() for x, *_ in data)
    assert real / sum(x["input_mask"].size for x, *_ in data) > 0.85


def test_batches_that_are_filled_up():
    data = batches(CORPUS.take(range(9)), batch_size=15)
    rows, ids = data.batches[-1], data[len(data) - 1][0]["input_word_ids"]
    assert len(rows) < 15
    data.fills = True
    x, _, weights = data[len(data) - 1]
    np.testing.assert_array_equal(x["input_word_ids"][: len(rows)], ids)
    assert weights["is_example"].sum() == len(rows)
    assert set(weights["weights"]) == {"mlm_logits", "next_sentence_logits"}
    assert data.full(rows) >= len(rows)


@pytest.mark.parametrize("seed", [None, 0])
def test_shapes_are_found_before_any_is_computed(seed):
    data = batches(seed=seed)
    data.start_epoch(2)
    widths = {x["input_mask"].shape[1] for x, *_ in data}
    assert {x["input_mask"].shape[1] for x in prediction._shapes_of(data)} == widths
    for rows in data.batches[:3]:
        assert data.lengths_of(rows).max() <= data.width(rows)


def test_each_epoch_has_other_pairs_and_masks_and_evaluation_the_same():
    data = batches()
    first = list(stream(data))
    data.on_epoch_end()
    assert not set(map(str, first)) & set(map(str, stream(data)))
    held = batches(seed=None)
    first = list(stream(held))
    held.on_epoch_end()
    assert first == list(stream(held))
    held = batches(seed=None, steps=len(held))
    held.on_epoch_end()  # into another pass
    assert first == list(stream(held))


documents_of_ids = st.lists(
    st.lists(st.integers(1, 40), min_size=1, max_size=5), min_size=1, max_size=7
)


@given(documents_of_ids, st.integers(4, 40), st.integers(1, 9), st.none() | st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_no_token_is_lost_or_doubled(lengths, max_length, batch_size, seed):
    ids = itertools.count(5)  # another one for each token
    documents = [[[next(ids) for _ in range(n)] for n in document] for document in lengths]
    corpus = corpus_of(documents)
    count = corpus.token_count
    data = batches(corpus, batch_size, max_length, seed, next_sentence=False)
    for epoch in range(2):
        data.start_epoch(epoch)
        if epoch and data.seed is not None:
            break  # an epoch of as many steps as the first pass; see below for windows
        found = np.concatenate([whole(example) for example in stream(data)])
        assert sorted(found[found >= 5]) == list(range(5, 5 + count))
        assert all(len(example[0]) <= max_length for example in stream(data))
    windows = windows_of(corpus, batch_size, max_length, seed)
    for epoch in range(2):
        windows.start_epoch(epoch)
        guessed = np.concatenate([y[w > 0] for _, y, w in windows])
        assert sorted(guessed) == [3] * len(documents) + list(range(5, 5 + count))
    windows = CausalBatches(corpus_of(documents, **SAME), OneEnd(), batch_size, max_length, seed)
    guessed = np.concatenate([y[w > 0] for _, y, w in windows])
    missing = set(range(5, 5 + count)) - set(guessed.tolist())
    assert len(guessed) == count + len(documents) - 1
    assert len(missing) == 1  # the first token of all
    assert len(guessed[guessed >= 5]) == count - 1


class OneEnd:
    """A tokenizer as GPT-2's, one of whose tokens both begins and ends a text."""

    bos_id = eos_id = 3

    def to_json(self):
        return '{"tokenizer": {}}'


SAME = {"tokenizer": fingerprint_of(OneEnd())}


def test_windows_have_documents_framed_as_texts_are():
    documents = [[[7, 8], [9]], [[10]], [[11, 12]]]
    x, y, weights = windows_of(corpus_of(documents), 1, 13, in_order=True)[0]
    assert x["input_word_ids"][0].tolist() == [2, 7, 8, 9, 3, 2, 10, 3, 2, 11, 12, 3, 3]
    assert y[0, weights[0] > 0].tolist() == [7, 8, 9, 3, 10, 3, 11, 12, 3]
    x, y, weights = CausalBatches(corpus_of(documents, **SAME), OneEnd(), 1, 8, in_order=True)[0]
    assert x["input_word_ids"].tolist() == [[7, 8, 9, 3, 10, 3, 11, 12]]
    assert weights.all()


def test_causal_windows_have_the_next_token_as_their_target():
    data = windows_of(CORPUS, batch_size=8, max_length=32, seed=0)
    for x, y, weight in data:
        ids = x["input_word_ids"]
        assert (ids.dtype, y.dtype, weight.dtype) == ("int32", "int32", "float32")
        assert ids.shape[1:] == (32,)
        np.testing.assert_array_equal(ids[:, 1:], y[:, :-1])
    small, large = (
        np.concatenate([x["input_word_ids"] for x, *_ in windows_of(CORPUS, n, 32, 5)])
        for n in (3, 50)
    )
    np.testing.assert_array_equal(small, large)


def test_words_are_chosen_whole():
    masking = TokenMasking.of(TOKENIZER, whole_words=True)
    for example in itertools.islice(stream(batches(masking=masking)), 300):
        own, chosen = whole(example), set(example[2])
        for place in range(1, len(own)):
            if own[place] >= 1005 and own[place - 1] >= 5:  # a piece that goes on with a word
                assert (place in chosen) == (place - 1 in chosen)


def test_shapes_are_as_few_as_widths():
    data = batches(random_corpus(600), batch_size=32)
    shapes = {tuple(array.shape[1:] for array in x.values()) for x, *_ in data}
    widths = {x["input_mask"].shape[1] for x, *_ in data}
    assert len(shapes) == len(widths)
    assert all(x["masked_lm_positions"].shape[1] <= 10 for x, *_ in data)
    capped = batches(max_predictions=4)
    assert max(x["masked_lm_positions"].shape[1] for x, *_ in capped) == 4


def test_little_is_padding():
    data = batches(random_corpus(3000), batch_size=32)
    real = sum(x["input_mask"].sum() for x, *_ in data)
    assert real / sum(x["input_mask"].size for x, *_ in data) > 0.95


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: batches(CORPUS.take([3])), "is one document, and pairs .*=False"),
        (lambda: batches(max_length=4), "max_length is 4, but must be at least 5"),
        (lambda: batches(corpus_of([[[5]]], tokenizer="x")), "another vocabulary than the model"),
        (lambda: CausalBatches(WORDS_ALONE, WORDS_ALONE.tokenizer, 2, 8), "no token that ends a"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_a_vocabulary_without_segments():
    tokenizer = WordTokenizer.train(["a b", "b a"])
    with pytest.raises(UserError, match="marks no beginning and no end of segments"):
        SegmentBatches(TokenCorpus.of(["a b"], tokenizer), tokenizer, 2, 8)


@pytest.mark.backend("tensorflow")
def test_tensorflow_gets_each_batch():
    data = batches(batch_size=64)
    arrays = [x["input_word_ids"] for x, *_ in data]
    for mine, (x, y, weight) in zip(arrays, data.for_backend(), strict=True):
        np.testing.assert_array_equal(mine, x["input_word_ids"].numpy())
        assert set(y) == set(weight) == {"mlm_logits", "next_sentence_logits"}
