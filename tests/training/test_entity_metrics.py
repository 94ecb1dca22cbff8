"""Entities in tags, and their metrics: what seqeval 1.2.2 gives, written down.

`tests/parity/test_entity_metrics.py` compares with seqeval itself.
"""

import json

import pytest

from kerasformer.training import entity_counts, entity_metrics
from kerasformer.training.metrics.tags import tag_spans

SPANS = [
    ("B-PER I-PER O B-LOC", None, [("PER", 0, 2), ("LOC", 3, 4)]),
    ("B-PER I-PER O B-LOC", "IOB2", [("PER", 0, 2), ("LOC", 3, 4)]),
    ("I-PER I-PER O I-LOC", None, [("PER", 0, 2), ("LOC", 3, 4)]),
    ("I-PER I-PER O I-LOC", "IOB2", []),
    ("I-PER I-PER O I-LOC", "IOB1", [("PER", 0, 2), ("LOC", 3, 4)]),
    ("B-PER I-LOC I-LOC", None, [("PER", 0, 1), ("LOC", 1, 3)]),
    ("B-PER I-LOC I-LOC", "IOB2", [("PER", 0, 1)]),
    ("I-PER B-PER I-PER", "IOB1", [("PER", 0, 1), ("PER", 1, 3)]),
    ("B-PER B-PER", None, [("PER", 0, 1), ("PER", 1, 2)]),
    ("S-PER B-LOC I-LOC E-LOC", None, [("PER", 0, 1), ("LOC", 1, 4)]),
    ("S-PER B-LOC I-LOC E-LOC", "IOBES", [("PER", 0, 1), ("LOC", 1, 4)]),
    ("B-LOC I-LOC O E-PER", None, [("LOC", 0, 2), ("PER", 3, 4)]),
    ("B-LOC I-LOC O E-PER", "IOBES", []),
    ("B-LOC E-LOC E-LOC S-LOC", None, [("LOC", 0, 2), ("LOC", 2, 3), ("LOC", 3, 4)]),
    ("U-PER B-LOC L-LOC O", "BILOU", [("PER", 0, 1), ("LOC", 1, 3)]),
    ("I-PER E-PER O E-LOC", "IOE2", [("PER", 0, 2), ("LOC", 3, 4)]),
    ("I-PER E-PER E-PER", "IOE1", [("PER", 0, 2)]),
    ("B I O", None, [("_", 0, 2)]),
    ("B-GPE-CITY I-GPE-CITY", None, [("GPE-CITY", 0, 2)]),
    ("O O", None, []),
]


@pytest.mark.parametrize(("tags", "scheme", "spans"), SPANS)
def test_the_entities_of_tags(tags, scheme, spans):
    others = [["O"], [], tags.split(), ["O", "O"]]  # none of these changes what is found
    assert tag_spans(others, scheme) == [[], [], spans, []]


def test_the_metrics_of_broken_and_whole_entities():
    true = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "I-LOC", "O"]]
    predicted = [["I-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O", "B-ORG"]]
    metrics = entity_metrics(true, predicted)
    json.dumps(metrics, allow_nan=False)
    assert metrics.pop("per_type") == [
        {"name": "LOC", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
        {"name": "ORG", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
        {"name": "PER", "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
    ]
    assert metrics == {
        "precision": 0.5, "recall": pytest.approx(2 / 3), "f1": pytest.approx(4 / 7),
        "macro_precision": 0.5, "macro_recall": 0.5, "macro_f1": 0.5,
        "weighted_precision": pytest.approx(2 / 3), "weighted_recall": pytest.approx(2 / 3),
        "weighted_f1": pytest.approx(2 / 3), "accuracy": pytest.approx(4 / 7), "support": 3,
    }  # fmt: skip
    strict = entity_metrics(true, predicted, scheme="IOB2")
    assert (strict["precision"], strict["recall"]) == pytest.approx((1 / 3, 1 / 3))
    assert entity_counts(true, predicted).tolist() == [[2, 2, 2], [0, 2, 1]]


def test_without_any_entity_all_is_0():
    metrics = entity_metrics([["O", "O"]], [["O", "O"]])
    assert metrics.pop("accuracy") == 1.0
    assert metrics.pop("per_type") == []
    assert set(metrics.values()) == {0}


@pytest.mark.parametrize(
    ("true", "predicted", "scheme", "message"),
    [
        ([["O"]], [["O"], ["O"]], None, "1 sentences of true tags and 2"),
        ([["O"], ["O"]], [["O"], ["O", "O"]], None, "Sentence 1 has 1 true tags and 2"),
        ([[]], [[]], None, "No words"),
        ([["O"]], [["O"]], "BIO", "must be one of IOB1, IOB2"),
        ([["O"]], [[""]], None, "A tag is empty"),
        ([["E-PER"]], [["O"]], "IOB2", "'E-PER' is not of the scheme IOB2, .* with B, I, O"),
    ],
)
def test_what_does_not_fit_is_one_sentence(true, predicted, scheme, message):
    with pytest.raises(ValueError, match=message):
        entity_metrics(true, predicted, scheme)
