import json

import numpy as np
import pytest

from kerasformer.data import LabeledDataset, Split
from kerasformer.errors import UserError


def make(count=1000, name="made", test=True):
    """Three classes, a half, three tenths and a fifth of the texts."""
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)[np.arange(count) % 10]
    dataset = LabeledDataset(
        name, ("a", "b", "c"), {"train": Split([f"text {i}" for i in range(count)], labels)}
    )
    return dataset.with_test(0.2) if test else dataset


def test_a_split_needs_a_label_for_each_text():
    with pytest.raises(ValueError, match="2 texts and labels of shape"):
        Split(["a", "b"], [0])


def test_labels_are_int32():
    assert Split(["a"], np.array([1], "int64")).labels.dtype == np.int32


def test_validation_is_carved_out_of_train_and_never_out_of_test():
    before = make()
    after = before.with_validation(0.1)
    assert list(after.splits) == ["train", "validation", "test"]
    assert after.test is before.test
    assert sorted(after.train.texts + after.validation.texts) == sorted(before.train.texts)
    assert len(after.validation) == pytest.approx(80, abs=35)
    lookup = dict(zip(before.train.texts, before.train.labels, strict=True))
    assert all(
        lookup[t] == y for t, y in zip(after.validation.texts, after.validation.labels, strict=True)
    )
    assert "validation" in after.provenance["rules"][-1]
    assert len(before.provenance["rules"]) == len(after.provenance["rules"]) - 1


def test_the_seed_chooses_other_validation_texts():
    dataset = make()
    texts = [set(dataset.with_validation(0.2, seed).validation.texts) for seed in (0, 0, 1)]
    assert texts[0] == texts[1]
    assert len(texts[0] & texts[2]) < 0.5 * len(texts[0])


def test_what_is_held_out_is_what_validation_gets():
    dataset = make()
    out = dataset.held_out(0.2, seed=1)
    validation = dataset.with_validation(0.2, seed=1).validation
    assert validation.texts == [dataset.train.texts[i] for i in np.flatnonzero(out)]


def test_given_splits_are_kept():
    dataset = make().with_validation()
    assert dataset.with_validation(0.5, seed=3) is dataset
    assert dataset.with_test(0.5) is dataset


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_outside_0_and_1_is_refused(fraction):
    with pytest.raises(UserError, match="between 0 and 1"):
        make().with_validation(fraction)


def test_one_text_cannot_be_split():
    with pytest.raises(UserError, match="no two different texts"):
        LabeledDataset("one", ("a",), {"train": Split(["x", "X "], [0, 0])}).with_test()


def test_a_limit_keeps_the_balance():
    limited = make(2000).limited(200)
    sizes = {name: len(split) for name, split in limited.splits.items()}
    assert sum(sizes.values()) == pytest.approx(200, abs=6)
    assert np.bincount(limited.train.labels) / sizes["train"] == pytest.approx(
        [0.5, 0.3, 0.2], abs=0.05
    )
    assert set(limited.test.texts) <= set(make(2000).test.texts)


def test_a_smaller_limit_is_a_part_of_a_larger_one():
    small, large = make().limited(50), make().limited(300)
    assert set(small.train.texts) <= set(large.train.texts)


def test_a_limit_above_the_size_changes_nothing_and_one_too_small_is_refused():
    dataset = make()
    assert dataset.limited(10_000) is dataset
    with pytest.raises(UserError, match="at least 6"):
        dataset.limited(5)


def test_the_fingerprint_sees_every_change():
    base = {"train": Split(["ab", "c"], [0, 1]), "test": Split(["d"], [0])}
    others = [
        (("n", "p"), {**base, "train": Split(["a", "bc"], [0, 1])}),
        (("n", "p"), {**base, "train": Split(["ab", "c"], [1, 1])}),
        (("n", "p"), {**base, "train": Split(["c", "ab"], [1, 0])}),
        (("n", "p"), {"train": Split(["ab", "c", "d"], [0, 1, 0])}),
        (("n", "q"), base),
    ]
    prints = {LabeledDataset("x", *other).fingerprint() for other in [(("n", "p"), base), *others]}
    assert len(prints) == 6
    # What it is called and where it lies is no part of it.
    assert LabeledDataset("y", ("n", "p"), base, {"source": "z"}).fingerprint() in prints


def test_describe_is_ready_for_the_record():
    dataset = make(100)
    described = json.loads(json.dumps(dataset.describe()))
    assert described["class_names"] == ["a", "b", "c"]
    assert described["fingerprint"] == dataset.fingerprint()
    assert described["splits"]["train"]["examples"] == len(dataset.train)
    assert sum(described["splits"]["test"]["class_counts"]) == len(dataset.test)
    assert len(described["splits"]["test"]["class_counts"]) == 3


@pytest.mark.parametrize(
    ("labels", "dtype", "shape"),
    [
        ([1, 0], "int32", (2,)),
        ([0.5, 1.0], "float32", (2, 1)),
        ([[0, 1, 1], [0, 0, 0]], "float32", (2, 3)),
        ([[0.5, 2.0], [1, 1]], "float32", (2, 2)),
    ],
)
def test_labels_of_each_problem_type(labels, dtype, shape):
    split = Split(["a", "b"], labels)
    assert (split.labels.dtype, split.labels.shape) == (dtype, shape)
    assert split.take([1]).labels.tolist() == split.labels[1:].tolist()


def test_no_labels_are_no_numbers():
    assert Split([], []).labels.dtype == np.int32


@pytest.mark.parametrize(
    ("problem_type", "labels"),
    [
        ("single_label_classification", [[0, 1]]),
        ("multi_label_classification", [1]),
        ("multi_label_classification", [[0, 1, 1]]),
        ("ranking", [1]),
    ],
)
def test_labels_fit_the_problem_type(problem_type, labels):
    with pytest.raises(ValueError, match=problem_type):
        LabeledDataset("x", ("a", "b"), {"train": Split(["a"], labels)}, {}, problem_type)


def test_pairs_are_hashed_and_kept_together():
    pairs = [(f"text {i}", f"text {i + 1}") for i in range(100)] + [("Text  0", "text 1")]
    split = Split(pairs, np.arange(101) % 2)
    assert len(set(split.keys)) == 100
    assert Split(["text 0 text 1"], [0]).keys[0] != Split([("text 0", "text 1")], [0]).keys[0]
    dataset = LabeledDataset("pairs", ("no", "yes"), {"train": split}).with_test()
    assert sorted(dataset.train.texts + dataset.test.texts) == sorted(pairs)
    assert Split([("a", "b")], [0]).keys != Split([("b", "a")], [0]).keys


def test_several_classes_a_text_are_on_both_sides_of_a_split():
    rng = np.random.default_rng(0)
    labels = rng.random((300, 4)) < [0.9, 0.5, 0.1, 0.02]
    dataset = LabeledDataset(
        "multi",
        ("a", "b", "c", "d"),
        {"train": Split([f"text {i}" for i in range(300)], labels)},
        problem_type="multi_label_classification",
    ).with_test()
    for split in dataset.splits.values():
        assert split.labels.any(axis=0).all()
    described = json.loads(json.dumps(dataset.describe()))["splits"]
    assert np.add(*(s["class_counts"] for s in described.values())).tolist() == [
        *labels.sum(axis=0)
    ]


def test_numbers_are_split_limited_and_described():
    scores = np.linspace(0, 5, 200)
    dataset = LabeledDataset(
        "scores",
        ("score",),
        {"train": Split([f"text {i}" for i in range(200)], scores)},
        problem_type="regression",
    ).with_test()
    assert sum(map(len, dataset.limited(20).splits.values())) == 20
    described = json.loads(json.dumps(dataset.describe()))
    assert described["problem_type"] == "regression"
    assert described["splits"]["train"]["mean"] == pytest.approx([2.5], abs=0.3)
    assert "numbers" in repr(dataset)
