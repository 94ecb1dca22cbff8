"""Metrics of answers against SQuAD's official scripts, which tf-models-official brings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.training import answer_metrics

pytestmark = pytest.mark.oracle

WORDS = [
    "the",
    "A",
    "an",
    "Rome,",
    "rome",
    "in",
    "“Ö”",
    "ö",
    "!",
    "(1998)",
    "1998",
    "it's",
    "\u00a0",
]
TEXTS = st.one_of(st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join), st.text(max_size=6))
PROBABILITIES = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 1.0]))  # and ties


@pytest.fixture(scope="module")
def scripts():
    pytest.importorskip("official.nlp.tools.squad_evaluate_v2_0")
    from official.nlp.tools import squad_evaluate_v1_1, squad_evaluate_v2_0

    return squad_evaluate_v1_1, squad_evaluate_v2_0


def as_squad(references):
    """The references in SQuAD's layout, each question with its place as id."""
    questions = [
        {"id": i, "answers": [{"text": text} for text in texts]}
        for i, texts in enumerate(references)
    ]
    return [{"paragraphs": [{"qas": questions}]}]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=6))
def test_they_equal_those_of_version_1_1(scripts, pairs):
    predictions, references = zip(*pairs, strict=True)
    ours = answer_metrics(predictions, references)
    theirs = scripts[0].evaluate(as_squad(references), dict(enumerate(predictions)))
    assert ours["exact"] == pytest.approx(theirs["exact_match"])
    assert ours["f1"] == pytest.approx(theirs["final_f1"])
    assert ours["total"] == len(pairs)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(TEXTS, st.lists(TEXTS, max_size=3), PROBABILITIES), min_size=1, max_size=8)
)
def test_they_equal_those_of_version_2_0(scripts, rows):
    predictions, references, probabilities = zip(*rows, strict=True)
    ours = answer_metrics(predictions, references, probabilities)
    theirs = scripts[1].evaluate(
        as_squad(references), dict(enumerate(predictions)), dict(enumerate(probabilities))
    )
    names = {  # where those of tf-models-official's copy differ from the script's
        "best_exact": "final_exact",
        "best_exact_thresh": "final_exact_thresh",
        "best_f1": "final_f1",
        "best_f1_thresh": "final_f1_thresh",
    }
    for name, value in ours.items():
        share = 1 if name.endswith(("total", "thresh")) else 100
        assert value * share == pytest.approx(theirs.pop(names.get(name, name))), name
    assert all(name.startswith("pr_") for name in theirs)  # average precisions, which we leave out
    without = answer_metrics(predictions, references)
    if not all(references):
        assert {name: ours[name] for name in without} == without
