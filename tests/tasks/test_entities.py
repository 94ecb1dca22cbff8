"""Entities from the logits of tokens: what transformers' pipeline gives, written down, and laws.

`tests/parity/test_entities.py` compares with the pipeline itself.
"""

import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.tasks.tagging.entities import Entity, token_entities, word_entities

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TEXT = "Zoë Müller saw Oslo."
#            [CLS]   Zoë     Mü      ##ller   saw      Os        ##lo      .         [SEP]
OFFSETS = [(0, 0), (0, 3), (4, 6), (6, 10), (11, 14), (15, 17), (17, 19), (19, 20), (0, 0)]
WORDS = [-1, 0, 1, 1, 2, 3, 3, 4, -1]
PROBABILITIES = np.array(
    [
        [0.00, 0.00, 0.00, 1.00, 0.00],
        [0.10, 0.60, 0.10, 0.10, 0.10],
        [0.10, 0.10, 0.50, 0.10, 0.20],
        [0.90, 0.02, 0.03, 0.03, 0.02],  # the surest token of the word
        [0.80, 0.05, 0.05, 0.05, 0.05],
        [0.10, 0.00, 0.00, 0.70, 0.20],
        [0.10, 0.10, 0.00, 0.00, 0.80],
        [0.80, 0.05, 0.05, 0.05, 0.05],
        [0.00, 0.00, 0.00, 1.00, 0.00],
    ]
)
LOGITS = np.log(PROBABILITIES + 1e-30)


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        (
            "none",
            [
                ("Zoë", "B-PER", 0.6),
                ("Mü", "I-PER", 0.5),
                ("Os", "B-LOC", 0.7),
                ("lo", "I-LOC", 0.8),
            ],
        ),
        ("simple", [("Zoë Mü", "PER", 0.55), ("Oslo", "LOC", 0.75)]),
        ("first", [("Zoë Müller", "PER", 0.55), ("Oslo", "LOC", 0.7)]),
        ("average", [("Zoë", "PER", 0.6), ("Oslo", "LOC", 0.5)]),
        ("max", [("Zoë", "PER", 0.6), ("Oslo", "LOC", 0.8)]),
    ],
)
def test_the_aggregations(aggregation, expected):
    found = token_entities(TEXT, [LOGITS], [OFFSETS], [WORDS], NAMES, aggregation)
    assert [(e.text, e.label, pytest.approx(e.score)) for e in found] == expected
    assert all(TEXT[e.start : e.end] == e.text for e in found)


def test_padding_changes_nothing():
    padded = [np.pad(LOGITS, ((0, 4), (0, 0)))], [OFFSETS + [(0, 0)] * 4], [WORDS + [-1] * 4]
    plain = token_entities(TEXT, [LOGITS], [OFFSETS], [WORDS], NAMES, "average")
    assert token_entities(TEXT, *padded, NAMES, "average") == plain


def test_of_overlapping_windows_the_longest_stays_then_the_surest():
    sharper = LOGITS * 2
    cut = LOGITS[:6], OFFSETS[:6], WORDS[:6]  # ends within "Oslo"
    found = token_entities(
        TEXT, [LOGITS, sharper, cut[0]], [OFFSETS] * 2 + [cut[1]], [WORDS] * 2 + [cut[2]], NAMES
    )
    assert found == token_entities(TEXT, [sharper], [OFFSETS], [WORDS], NAMES)
    assert token_entities(TEXT, [cut[0]], [cut[1]], [cut[2]], NAMES)[-1].text == "Os"


def test_a_text_without_tokens_has_none():
    assert token_entities("", [LOGITS[:2]], [OFFSETS[:2]], [[-1, -1]], NAMES) == []
    assert token_entities("", [], [], [], NAMES) == []


def test_an_unknown_aggregation_is_one_sentence():
    with pytest.raises(UserError, match="must be one of none, simple, first, average, max"):
        token_entities(TEXT, [LOGITS], [OFFSETS], [WORDS], NAMES, "last")


def test_the_tags_of_words():
    spans = [(0, 3), (4, 10), (11, 14), (15, 19)]
    expected = [Entity("Zoë Müller", 0, 10, "PER", 0.75), Entity("Oslo", 15, 19, "LOC", 0.5)]
    for tags in (["B-PER", "I-PER", "O", "I-LOC"], ["B-PER", "E-PER", "O", "S-LOC"]):
        assert word_entities(TEXT, spans, tags, [0.5, 1.0, 0.9, 0.5]) == expected
    assert word_entities("", [], []) == []
