"""What must be beaten: against values computed by hand, and by the laws that define them."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasformer.compare.methods.frequent_tag import FrequentTagger
from kerasformer.compare.methods.pair_vectors import PairVectorizer
from kerasformer.compare.methods.sliding_window import sliding_window

WORDS = [["Rome", "fell"], ["Rome", "rose"], ["Rome", "fell"], ["the", "fell"]]
TAGS = [["B-LOC", "O"], ["B-TEAM", "O"], ["B-LOC", "O"], ["O", "B-LOC"]]


def fitted(words, tags):
    tagger = FrequentTagger()
    tagger.fit(words, tags)
    return tagger


def test_a_word_has_its_most_frequent_tag_and_others_that_of_all():
    tagger = fitted(WORDS, TAGS)
    assert tagger.tags == {"Rome": "B-LOC", "fell": "O", "rose": "O", "the": "O"}
    assert tagger.other == "O"  # 4 of 8, before B-LOC with 3
    assert tagger.tag([["rome", "Rome"], []]) == [["O", "B-LOC"], []]


def test_of_a_words_equally_frequent_tags_the_one_that_others_have_is_taken():
    words, tags = [["x", "x", "y"], ["z", "z"]], [["B", "A", "B"], ["D", "C"]]
    assert fitted(words, tags).tags == {"x": "B", "y": "B", "z": "C"}
    assert fitted([], []).tag([["x"]]) == [["O"]]


SENTENCES = st.lists(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["O", "B-X", "B-Y"])), max_size=6),
    min_size=1,
    max_size=8,
)


@given(SENTENCES, st.randoms())
def test_no_dictionary_has_more_words_right_and_the_order_means_nothing(sentences, random):
    words, tags = ([[pair[k] for pair in each] for each in sentences] for k in range(2))
    tagger = fitted(words, tags)
    flat = [pair for each in sentences for pair in each]
    right = sum(tag == tagger.tags[word] for word, tag in flat)
    counts = Counter(flat)
    best = sum(max(n for (own, _), n in counts.items() if own == word) for word in tagger.tags)
    assert right == best
    shuffled = random.sample(sentences, len(sentences))
    again = fitted(*([[pair[k] for pair in each] for each in shuffled] for k in range(2)))
    assert (again.tags, again.other) == (tagger.tags, tagger.other)


CONTEXT = "The rain fell. Ada Byron built the bridge, and then the snow fell."


def test_the_window_is_the_one_with_the_heaviest_words_of_the_question():
    answer = sliding_window("Who built the bridge?", CONTEXT)
    # Of four words, as many as the question has. "built" and "bridge" are in the context once,
    # "the" three times. "built the bridge, and" weighs as much, but is later.
    assert (answer.text, answer.start, answer.end) == ("Byron", 19, 24)
    assert answer.weight == pytest.approx(2 * math.log(2) + math.log(1 + 1 / 3))


def test_what_the_question_lacks_in_the_window_is_the_answer():
    assert sliding_window("the snow fell?", CONTEXT).text == "the snow fell"  # nothing else there
    assert sliding_window("Who IS it that BUILT?", CONTEXT).text == "rain fell. Ada Byron"
    assert sliding_window("?", CONTEXT).text == "The"
    assert sliding_window("Who?", "...").text == "..."


def brute_force(question, context):
    """The weight of the best window, by the definition."""
    words, asked = ([w.lower() for w in re.findall(r"\w+", t)] for t in (context, question))
    size = min(max(1, len(set(asked))), len(words))
    windows = [words[i : i + size] for i in range(len(words) - size + 1)]
    weigh = {word: math.log(1 + 1 / words.count(word)) for word in words if word in asked}
    return max(sum(weigh.get(word, 0.0) for word in window) for window in windows)


TEXTS = st.lists(st.sampled_from(["a", "B", "b", "c,", "d.", "-"]), min_size=1, max_size=12)


@given(TEXTS, TEXTS.filter(lambda words: words != ["-"] * len(words)))
def test_it_is_a_part_of_the_context_in_the_best_window(question, context):
    question, context = " ".join(question), " ".join(context)
    answer = sliding_window(question, context)
    assert answer.text
    assert answer.text == context[answer.start : answer.end]
    assert answer.weight == pytest.approx(brute_force(question, context), abs=1e-8)
    asked = {word.lower() for word in re.findall(r"\w+", question)}
    found = [word.lower() in asked for word in re.findall(r"\w+", answer.text)]
    assert all(found) or not any(found)
    assert sliding_window(question.upper(), context) == answer


def test_vectors_of_pairs_are_those_of_both_texts_and_of_what_they_share():
    from sklearn.feature_extraction.text import TfidfVectorizer

    pairs = [("a fine film", "a fine play"), ("dull", "a dull film"), ("fine", "so so")]
    words = TfidfVectorizer(token_pattern=r"\w+").fit([text for pair in pairs for text in pair])
    u, v = (words.transform([pair[k] for pair in pairs]).toarray() for k in range(2))
    expected = [u, v, np.abs(u - v), u * v, (u * v).sum(axis=1, keepdims=True)]
    vectors = PairVectorizer(token_pattern=r"\w+").fit_transform(pairs).toarray()
    np.testing.assert_allclose(vectors, np.concatenate(expected, axis=1), atol=1e-12)
    assert vectors[:, -1].tolist()[2] == 0
