"""What Keras offers, on every public class: each cell runs, or is refused in a sentence."""

import fnmatch

import pytest

from kerasformer.errors import UserError

from .features import EVERYWHERE, FEATURES, Cell
from .subjects import ON_TEXTS, SUBJECTS, TENSORS

pytestmark = [pytest.mark.usefixtures("eager"), pytest.mark.backend("tensorflow")]

# `fit`, `evaluate` and `predict` are Keras' own but on texts: beside these, one class for each kind
# of output stands for all, and layers are in models of Keras' own.
COLUMNS_OF_FIT = ("BertEncoder", "TextClassifier", "PretrainingModel", *ON_TEXTS)
COLUMNS = {"quantize('int8')": ("BertEncoder",)}  # takes seconds, and has tests of its own
# (row, columns) that are refused, and the sentence.
REFUSED = {
    ("fit(class_weight)", "BertEncoder"): "`class_weight` is only supported for Models with a sing",
    ("fit(class_weight)", "PretrainingModel"): "`class_weight` is only supported for Models with a",
    ("fit, evaluate, predict of a generator", "*, texts"): "got a generator of tuples: give a list",
    **{("save, .h5", name): "would be in Keras' old HDF5 format" for name in TENSORS},
    **{("save, .h5", name): "would be in Keras' old HDF5 format" for name in ON_TEXTS},
}
# (row, columns) that Keras' own models do not have either.
ABSENT = {
    ("compile(metrics, weighted_metrics, loss_weights)", "BertEncoder"): "one of several outputs",
    ("enable_lora", "SequencePooling"): "has no weights",
}


def find(table, feature, name):
    for (row, columns), value in table.items():
        if row == feature and fnmatch.fnmatchcase(name, columns):
            return value
    return None


def columns(feature):
    given = SUBJECTS if feature in EVERYWHERE else COLUMNS.get(feature, COLUMNS_OF_FIT)
    return [name for name in given if not find(ABSENT, feature, name)]


CELLS = [(feature, name) for feature in FEATURES for name in columns(feature)]


@pytest.mark.parametrize(("feature", "name"), CELLS)
def test_cell(feature, name, tmp_path):
    cell, sentence = Cell(name, tmp_path), find(REFUSED, feature, name)
    if sentence is None:
        FEATURES[feature](cell)
    else:
        with pytest.raises((UserError, ValueError, TypeError), match=sentence):
            FEATURES[feature](cell)


def test_every_exception_is_of_a_cell():
    for feature, pattern in [*REFUSED, *ABSENT]:
        assert feature in FEATURES
        assert fnmatch.filter(SUBJECTS, pattern)


def overview():
    """The table as Markdown: what runs, what is refused, what Keras has not either."""
    lines = ["| | " + " | ".join(SUBJECTS) + " |", "| --- |" + " --- |" * len(SUBJECTS)]
    for feature in FEATURES:
        cells = (
            "" if (feature, name) not in CELLS else "no" if find(REFUSED, feature, name) else "yes"
            for name in SUBJECTS
        )
        lines.append(f"| {feature} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def test_the_overview_has_every_row_and_column(capsys):
    print(overview())  # shown where it fails
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == len(FEATURES) + 2
    assert all(row.count("|") == len(SUBJECTS) + 2 for row in rows)
