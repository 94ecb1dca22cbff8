"""What a study of layers says, in each of its cases."""

import json

import numpy as np
import pytest

from kerasformer.analysis.layer_probe import FOLDS, Choice, Probe, choose
from kerasformer.analysis.layer_report import answer, layers_map, markdown, record, table_rows
from kerasformer.analysis.layer_study import LayerStudy

POOLINGS = ("mean", "max")


def made_probe(layers, pooling, accuracy, n=200):
    correct = np.arange(n) < round(accuracy * n)
    scores = [accuracy + step for step in (-0.02, -0.01, 0.0, 0.01, 0.02)]
    return Probe(layers, pooling, 8, correct, tuple(scores))


def made_study(accuracies, chosen, chance=0.004, informative=True, **changes):
    """A study of two blocks; `accuracies` of layer 0, 1, 2 and their sum, mean then max."""
    cells = [(layers, pooling) for layers in (0, 1, 2, "sum_all") for pooling in POOLINGS]
    probes = [made_probe(*cell, a) for cell, a in zip(cells, accuracies, strict=True)]
    best = max(probes, key=lambda probe: probe.accuracy)
    choice = Choice(probes[4], best, probes[chosen], chance, informative)
    settings = {
        "probes": probes, "choice": choice, "num_layers": 2, "poolings": POOLINGS,
        "examples": 200, "majority": 0.52, "left_out": (), "test_examples": 50,
        "test": {"chosen": 0.78, "usual": 0.72}, "seconds": {"encoder": 1.0, "probes": 2.0},
    }  # fmt: skip
    return LayerStudy(**{**settings, **changes})


FLAT = [0.6, 0.6, 0.7, 0.6, 0.7, 0.6, 0.65, 0.6]
EARLIER = [0.6, 0.6, 0.8, 0.6, 0.7, 0.6, 0.75, 0.6]
SUM = [0.6, 0.6, 0.8, 0.6, 0.7, 0.6, 0.81, 0.6]


def test_the_usual_choice_where_nothing_is_better():
    study = made_study([0.6] * 4 + [0.7] + [0.6] * 3, chosen=4, chance=1.0)
    advice, call, test = answer(study, "my/model")
    assert advice == (
        "Use the last layer with mean pooling, the usual choice: 70.0 ± 1.6 % right in "
        "cross-validation, and none of the other 7 probes does better."
    )
    assert "TextEmbedder.from_pretrained('my/model', layers='last', pooling='mean')" in call
    assert "--layers last --pooling mean" in call
    assert test == (
        "On the 50 test texts, which took no part in the choice: 78.0 % (95 % interval 64.8 to "
        "87.2)."
    )


def test_the_usual_choice_where_a_lead_may_be_chance():
    study = made_study([0.6, 0.6, 0.6, 0.71, 0.7, 0.6, 0.6, 0.6], chosen=4, chance=0.52)
    advice = answer(study, "m")[0]
    assert advice.endswith(
        "and although layer 1 with max pooling has 71.0 %, that lead of 1.0 point is no more than "
        "chance gives the best of 8 probes (p = 0.52)."
    )


def test_another_layer_that_is_better():
    advice, call, test = answer(made_study(EARLIER, chosen=2), "m")
    assert advice == (
        "Use layer 1 with mean pooling: 80.0 ± 1.6 % right in cross-validation, against 70.0 % of "
        "the last layer with mean pooling, which is beaten by more than chance gives the best of 8 "
        "probes (p = 0.004); this one does best."
    )
    assert "layers=1, pooling='mean'" in call
    assert "78.0 %, and 72.0 % of the last layer with mean pooling" in test
    assert "differences up to 16.9 points may be chance" in test


def test_a_simpler_one_than_the_best():
    advice = answer(made_study(SUM, chosen=2, chance=0.0004), "m")[0]
    assert advice.endswith(
        "(p < 0.001); the sum of all blocks with mean pooling has 81.0 %, but its lead over this "
        "simpler choice may be chance."
    )
    call = answer(made_study(SUM, chosen=6), "m")[1]
    assert "layers='sum_all'" in call
    assert "--layers sum_all" in call


def test_nothing_to_be_read_and_nothing_to_test_on():
    study = made_study([0.5] * 8, chosen=4, informative=False, test={}, test_examples=0)
    (advice,) = answer(study, "m")
    assert advice == (
        "No layer tells these classes apart beyond chance: the best of 8 probes is right for "
        "50.0 % of the texts, the most frequent class for 52.0 %; give more texts before choosing "
        "a layer."
    )


def test_classes_that_were_left_out():
    names = [f"class {i}\x1b[2J" for i in range(7)]
    last = answer(made_study(FLAT, chosen=4, left_out=tuple(names)), "m")[-1]
    assert last.startswith("Left out, having fewer than 5 different texts: class 0\ufffd[2J, ")
    assert last.endswith(" and 2 more.")


def test_the_table_marks_the_choice():
    study = made_study(EARLIER, chosen=2)
    assert table_rows(study) == [
        ["layers", "mean", "max"],
        ["0 (embeddings)", "60.0 ± 1.6", "60.0 ± 1.6"],
        ["1", "* 80.0 ± 1.6", "60.0 ± 1.6"],
        ["2 (last)", "70.0 ± 1.6", "60.0 ± 1.6"],
        ["sum of all blocks", "75.0 ± 1.6", "60.0 ± 1.6"],
    ]
    lines = markdown(study, "reviews", "m").splitlines()
    assert lines[0] == "# reviews: the layers of m"
    assert "| 1 | \\* 80.0 ± 1.6 | 60.0 ± 1.6 |" in lines


def test_the_record_holds_every_probe():
    study = made_study(SUM, chosen=2)
    found = json.loads(json.dumps(record(study)))
    assert len(found["probes"]) == 8
    assert found["probes"][6]["layers"] == "sum_all"
    assert len(found["probes"][0]["fold_accuracies"]) == FOLDS
    assert found["choice"]["chosen"] == {"layers": 1, "pooling": "mean"}
    assert found["choice"]["best"] == {"layers": "sum_all", "pooling": "mean"}


@pytest.mark.parametrize("poolings", [("mean", "cls"), ("cls",)], ids=" ".join)
def test_the_map_s_scale_is_that_of_vectors_that_differ(poolings, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "kerasformer.analysis.layer_report.heat_map",
        lambda values, rows, columns, **kwargs: drawn.update(kwargs, values=values, rows=rows),
    )
    cells = [(layers, pooling) for layers in (0, 1, "sum_all") for pooling in poolings]
    probes = [made_probe(*cell, 0.5 + 0.1 * i) for i, cell in enumerate(cells)]
    choice = choose(probes, np.arange(200) % 2, poolings[0])
    study = made_study(FLAT, 4, probes=probes, choice=choice, num_layers=1, poolings=poolings)
    layers_map(study, "title")
    told = [100 * p.accuracy for p in probes if (p.layers, p.pooling) != (0, "cls")]
    assert drawn["limits"] == (min(told), max(told))
    assert drawn["rows"] == ["sum of all blocks", "1 (last)", "0 (embeddings)"]
    assert np.shape(drawn["values"]) == (3, len(poolings))
    np.testing.assert_allclose(drawn["values"][1][0], 100 * probes[len(poolings)].accuracy)


def test_names_are_no_markup_in_the_table():
    study = made_study(SUM, chosen=2, left_out=("<b>a</b>|`x`", "b\n# c"))
    data, model = "<script>alert(1)</script>|`a`\x1b[2J", "m\n| cell |"
    text = markdown(study, data, model)
    for mark in ("<script", "<b>", "\x1b", "\n# c", "\n| cell", " `a`"):
        assert mark not in text
    title, *_ = text.splitlines()
    assert title.startswith("# &lt;script>alert(1)&lt;/script>\\|\\`a\\`")
    assert title.endswith("the layers of m \\| cell \\|")
