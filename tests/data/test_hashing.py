import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.data.hashing import held_out, places, sample, text_key

ROWS = st.lists(st.tuples(st.text(max_size=8), st.integers(0, 2)), min_size=1, max_size=60)
FRACTION = st.floats(0.05, 0.95)


def split(rows, fraction, salt="test"):
    labels = np.array([label for _, label in rows])
    return held_out([text_key(text) for text, _ in rows], labels, fraction, salt)


@settings(deadline=None, max_examples=50)
@given(ROWS, FRACTION, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(rows, fraction, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = split([rows[index] for index in order], fraction)
    np.testing.assert_array_equal(shuffled, split(rows, fraction)[order])


@settings(deadline=None, max_examples=50)
@given(ROWS, FRACTION)
def test_duplicates_are_on_one_side(rows, fraction):
    variants = [(f" {text.upper()}\n", 1 - label % 2) for text, label in rows]
    both = rows + variants
    keys = [text_key(text) for text, _ in both]
    out = split(both, fraction)
    assert not {k for k, o in zip(keys, out, strict=True) if o} & {
        k for k, o in zip(keys, out, strict=True) if not o
    }


@settings(deadline=None, max_examples=50)
@given(ROWS, FRACTION)
def test_a_class_of_two_texts_is_on_both_sides(rows, fraction):
    unique = list({text_key(text): (text, label) for text, label in rows}.values())
    out = split(unique, fraction)
    labels = np.array([label for _, label in unique])
    for label in set(labels.tolist()):
        own = out[labels == label]
        assert not own.all()
        assert own.any() == (len(own) > 1)


def test_the_place_is_what_the_rule_says():
    text = "Ein  schöner\tFILM ① Straße"
    normalised = "ein schöner film 1 strasse"
    digest = hashlib.sha256(b"salt:" + hashlib.sha256(normalised.encode()).digest()).digest()
    expected = int.from_bytes(digest[:8], "big") / 2**64
    assert places([text_key(text)], "salt") == pytest.approx([expected], abs=1e-15)


def test_the_share_is_close_to_the_fraction_and_salts_are_independent():
    keys = [text_key(f"text {number}") for number in range(20_000)]
    labels = np.zeros(len(keys), int)
    first = held_out(keys, labels, 0.2, "one")
    second = held_out(keys, labels, 0.2, "two")
    assert first.mean() == pytest.approx(0.2, abs=0.012)  # four standard deviations
    assert (first & second).mean() == pytest.approx(0.04, abs=0.006)


def test_the_place_does_not_depend_on_pythons_hash_seed():
    code = (
        "from kerasformer.data.hashing import places, text_key;"
        "print(places([text_key('a'), text_key('b')], 's').tolist())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


@settings(deadline=None, max_examples=50)
@given(ROWS, st.floats(0.01, 1))
def test_a_sample_keeps_order_and_classes(rows, share):
    labels = np.array([label for _, label in rows])
    taken = sample([text_key(text) for text, _ in rows], labels, share)
    assert (np.diff(taken) > 0).all()
    for label in set(labels.tolist()):
        count = (labels == label).sum()
        assert (labels[taken] == label).sum() == max(1, round(count * share))


def test_a_class_for_each_text_takes_no_quadratic_time():
    """As when somebody names a column of identifiers as the label."""
    keys = [text_key(str(number)) for number in range(50_000)]
    labels = np.arange(len(keys))
    assert not held_out(keys, labels, 0.5, "test").any()
    assert len(sample(keys, labels, 0.5)) == len(keys)
