"""Entity metrics against seqeval's, on random tags that keep and that break each scheme."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.training import entity_counts, entity_metrics
from kerasformer.training.metrics.tags import SCHEMES, tag_spans

pytestmark = pytest.mark.oracle

# "." and "X" are in no scheme; without one they are read too.
LETTERS = {None: "BIESLU.X", "IOB1": "BI", "IOB2": "BI", "IOE1": "IE", "IOE2": "IE"}
LETTERS |= {"IOBES": "BIES", "BILOU": "BILU"}


@pytest.fixture(scope="module")
def seqeval():
    pytest.importorskip("seqeval")
    import seqeval.metrics
    import seqeval.scheme

    return seqeval


@st.composite
def tagged(draw, scheme):
    """True and predicted tags of the same few sentences."""
    tags = ["O"] + [letter + kind for letter in LETTERS[scheme] for kind in ("-A", "-B-C", "")]
    tags = ["O", *draw(st.lists(st.sampled_from(tags), min_size=2, max_size=8))]
    tag = st.sampled_from(tags)
    words = st.tuples(tag, st.one_of(st.none(), tag))  # None: predicted right
    sentences = draw(st.lists(st.lists(words, min_size=1, max_size=8), min_size=1, max_size=4))
    true = [[one for one, _ in sentence] for sentence in sentences]
    return true, [[two or one for one, two in sentence] for sentence in sentences]


@pytest.mark.parametrize("scheme", [None, *SCHEMES])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_they_equal_those_of_seqeval(scheme, data, seqeval):
    true, predicted = data.draw(tagged(scheme))
    ours = entity_metrics(true, predicted, scheme)
    strict = {"mode": "strict", "scheme": getattr(seqeval.scheme, scheme)} if scheme else {}
    assert ours["accuracy"] == seqeval.metrics.accuracy_score(true, predicted)
    if not ours["per_type"]:  # where seqeval divides by zero
        assert not any(map(len, tag_spans(true, scheme) + tag_spans(predicted, scheme)))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tags that seqeval finds odd
        report = seqeval.metrics.classification_report(
            true, predicted, output_dict=True, zero_division=0, **strict
        )
    averages = {"": report.pop("micro avg"), "macro_": report.pop("macro avg")}
    averages["weighted_"] = report.pop("weighted avg")
    for prefix, theirs in averages.items():
        for name, their_name in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
            assert ours[prefix + name] == pytest.approx(theirs[their_name])
    assert ours["support"] == averages[""]["support"]
    assert report == {
        row["name"]: {
            "precision": row["precision"],
            "recall": row["recall"],
            "f1-score": row["f1"],
            "support": row["support"],
        }
        for row in ours["per_type"]
    }


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_spans_of_one_sentence_are_those_of_seqeval(data, seqeval):
    from seqeval.metrics.sequence_labeling import get_entities

    sentences, _ = data.draw(tagged("IOBES"))
    assert tag_spans(sentences) == [
        [(kind, first, last + 1) for kind, first, last in get_entities(tags)] for tags in sentences
    ]


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_counts_of_sentences_add_up(data, seqeval):
    true, predicted = data.draw(tagged("IOB2"))
    right, ours, all_ = entity_counts(true, predicted, "IOB2").sum(axis=0)
    scores = {"mode": "strict", "scheme": seqeval.scheme.IOB2, "zero_division": 0}
    assert right / max(ours, 1) == seqeval.metrics.precision_score(true, predicted, **scores)
    assert right / max(all_, 1) == seqeval.metrics.recall_score(true, predicted, **scores)
