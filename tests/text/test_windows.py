"""Windows: every token in one of them, with the most context that there is."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.windows import Windowing, window_places

CLS, SEP, PAD = 1001, 1002, 0
LAWS = settings(deadline=None, max_examples=50)
lengths = st.integers(0, 60)


def windowing(max_length, **options):
    ids = SimpleNamespace(cls_id=CLS, sep_id=SEP, pad_id=PAD)
    return Windowing(ids, max_length, **options)


def tokens(length, first=1):
    """Ids of which each stands for one place."""
    return list(range(first, first + length))


@given(length=st.integers(1, 300), room=st.integers(1, 40), overlap=st.integers(0, 39))
@LAWS
def test_windows_own_each_token_once_where_it_has_most_context(length, room, overlap):
    length, overlap = length + room, min(overlap, room - 1)
    starts, owned = window_places(length, room, overlap)
    assert starts[0] == 0
    assert starts[-1] == length - room
    assert all(0 < b - a <= room - overlap for a, b in itertools.pairwise(starts))
    bounds = [*owned, length]
    for i, start in enumerate(starts):
        assert start <= bounds[i] < bounds[i + 1] <= start + room
        for place in range(bounds[i], bounds[i + 1]):
            contexts = [min(place - s, s + room - 1 - place) for s in starts]
            assert i == int(np.argmax(contexts))  # the first of equal ones


@given(
    texts=st.lists(lengths, max_size=6),
    max_length=st.integers(4, 30),
    prompt=st.integers(0, 1),
    overlap=st.none() | st.just(0),
)
@LAWS
def test_own_tokens_of_the_windows_are_the_text(texts, max_length, prompt, overlap):
    given = [(tokens(length), None) for length in texts]
    rows = windowing(max_length, window=True, prompt=prompt, overlap=overlap).windows(given)
    assert (rows.tokenized.lengths <= max_length).all()
    assert rows.cut.tolist() == [0] * len(texts)
    assert rows.kept == [(length, 0) for length in texts]
    own = {i: [] for i in range(len(texts))}
    for i, row in enumerate(rows.tokenized.ids):
        assert row[0] == CLS
        assert row[-1] == SEP
        assert row[1:-1][:prompt] == tokens(prompt)[: len(row) - 2]
        own[rows.texts[i]] += row[rows.start[i] : rows.stop[i]]
    assert own == {i: [CLS, *tokens(length), SEP] for i, length in enumerate(texts)}


@given(
    texts=st.lists(st.tuples(lengths, lengths), min_size=1, max_size=6),
    max_length=st.integers(5, 30),
    window=st.booleans(),
)
@LAWS
def test_pairs(texts, max_length, window):
    given = [(tokens(one), tokens(two, 501)) for one, two in texts]
    rows = windowing(max_length, window=window).windows(given)
    own = {i: [] for i in range(len(texts))}
    segments = {i: [] for i in range(len(texts))}
    for i, (row, types) in enumerate(zip(rows.tokenized.ids, rows.tokenized.type_ids, strict=True)):
        assert len(row) <= max_length
        assert row[rows.middle[i]] == SEP
        assert types == [0] * (rows.middle[i] + 1) + [1] * (len(row) - rows.middle[i] - 1)
        own[rows.texts[i]] += row[rows.start[i] : rows.stop[i]]
        segments[rows.texts[i]] += types[rows.start[i] : rows.stop[i]]
    for i, (one, two) in enumerate(texts):
        kept = rows.kept[i]
        whole = [CLS, *tokens(kept[0]), SEP, *tokens(kept[1], 501), SEP]
        assert own[i] == whole
        assert segments[i] == [0] * (kept[0] + 2) + [1] * (kept[1] + 1)
        assert rows.cut[i] == one + two - sum(kept)
        if one + two <= max_length - 3:
            assert kept == (one, two)
        elif window:
            assert max(kept) == max(one, two)
            assert min(kept) == min(one, two, (max_length - 3) // 2)
        else:
            assert sum(kept) == max_length - 3


@given(one=lengths, two=st.none() | lengths, max_length=st.integers(4, 30))
@LAWS
def test_what_is_cut_is_what_the_tokenizer_cuts(one, two, max_length):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"]
    tokenizer = WordPieceTokenizer.from_vocabulary(words)
    pairs = None if two is None else ["b " * two]
    expected = tokenizer.tokenize(["a " * one], pairs, max_length=max_length)
    ours = Windowing(tokenizer, max_length)
    rows = ours.windows([([4] * one, None if two is None else [5] * two)])
    assert rows.tokenized.ids == expected.ids
    assert rows.tokenized.type_ids == expected.type_ids


@given(
    texts=st.lists(st.tuples(lengths, st.none() | lengths), min_size=1, max_size=5),
    max_length=st.integers(4, 20),
    slides=st.sampled_from(["longer", "second"]),
)
@LAWS
def test_positions_and_merged_outputs_are_those_of_all_tokens(texts, max_length, slides):
    has_pairs = texts[0][1] is not None
    pairs = [tokens(two or 0, 501) if has_pairs else None for _, two in texts]
    given = [(tokens(one), two) for (one, _), two in zip(texts, pairs, strict=True)]
    rows = windowing(max_length, window=True, slides=slides).windows(given)
    whole = []
    for (one, two), kept in zip(given, rows.kept, strict=True):
        second = [] if two is None else [*two[: kept[1]], SEP]
        whole.append([CLS, *one[: kept[0]], SEP, *second])
    for i, row in enumerate(rows.tokenized.ids):
        assert row == [whole[rows.texts[i]][place] for place in rows.positions(i)]
    padded = [np.array(row + [PAD] * (max_length - len(row))) for row in rows.tokenized.ids]
    assert [each.tolist() for each in rows.merge(padded)] == whole


@given(one=lengths, two=lengths, max_length=st.integers(4, 30))
@LAWS
def test_windows_over_the_second_text_lose_none_of_it(one, two, max_length):
    given = [(tokens(one), tokens(two, 501))]
    rows = windowing(max_length, window=True, slides="second").windows(given)
    room = max_length - 3
    assert rows.kept == [(min(one, max(room // 2, room - two)), two)]
    for row in rows.tokenized.ids:  # the question is in each of them
        assert row[: rows.kept[0][0] + 2] == [CLS, *tokens(rows.kept[0][0]), SEP]


def test_what_leaves_no_room():
    with pytest.raises(UserError, match="overlap is 8, and a window has room for 8 tokens"):
        windowing(10, window=True, overlap=8).windows([(tokens(20), None)])
    with pytest.raises(UserError, match="max_length is 10, and the prompt has 8 tokens already"):
        windowing(10, window=True, prompt=8).windows([(tokens(20), None)])
    with pytest.raises(UserError, match="max_length is 3, and 3 of these are special tokens"):
        windowing(3).windows([(tokens(2), tokens(2))])
