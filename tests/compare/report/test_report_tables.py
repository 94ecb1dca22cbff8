import re

import pytest
from rich.cells import cell_len

from kerasformer.compare.report import format_summary
from kerasformer.compare.report.summary import summarize
from kerasformer.compare.report.tables import behind, markdown_table, notes


def test_summary_is_aligned_and_ends_with_the_verdict(make_record):
    lines = format_summary(make_record()).splitlines()
    table = lines[2 : lines.index("", 2)]
    assert len(table) == 6
    assert len({cell_len(line) for line in table}) == 1
    assert re.search(r"Fine-tuned all-MiniLM-L6-v2 +\d\d\.\d ± \d\.\d ", table[-1])
    assert lines[lines.index("", 2) + 1].startswith("Yes: ")


def test_summary_stays_aligned_with_wide_titles_and_cannot_steer_a_terminal(make_record):
    record = make_record(arms=("tfidf", "fine_tuned"), seeds=(0,))
    record["arms"]["fine_tuned"]["title"] = "微调 " + "模型" * 30
    record["arms"]["tfidf"]["title"] = "TF\x1b[2J-\nIDF"
    text = format_summary(record)
    assert "\x1b" not in text
    assert len({cell_len(line) for line in text.splitlines()[2:5]}) == 1


def test_markdown_has_one_row_an_arm_and_escapes_names(make_record):
    record = make_record(arms=("tfidf", "fine_tuned"))
    record["arms"]["fine_tuned"]["title"] = "a|b <b>*c*</b>\nd"
    rows = [line for line in markdown_table(record).splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert r"a\|b &lt;b>\*c\*&lt;/b> d" in rows[-1]


def test_numbers_of_the_table(make_record):
    record = make_record(
        arms=("tfidf", "fine_tuned"),
        seeds=(0, 1),
        accuracies={"tfidf": [0.75, 0.75], "fine_tuned": [0.80, 0.82]},
    )
    for run, seconds in zip(record["arms"]["fine_tuned"]["runs"], (180, 190), strict=True):
        run["train_seconds"] = seconds
    text = markdown_table(record)
    assert "| 81.0 ± 1.4 |" in text
    assert "| 185 ± 7 |" in text
    assert "| −6.0 |" in text
    assert "| 22.7 M |" in text


def test_a_difference_that_may_be_chance_is_marked(make_record):
    record = make_record(
        arms=("scratch", "frozen", "fine_tuned"),
        seeds=(0, 1),
        accuracies={"scratch": [0.7, 0.7], "frozen": [0.8, 0.8], "fine_tuned": [0.81, 0.81]},
    )
    scratch, frozen, fine_tuned = summarize(record)
    assert behind(fine_tuned, fine_tuned, 1_703) == "best"
    assert behind(frozen, fine_tuned, 1_703) == "≈ −1.0"
    assert behind(scratch, fine_tuned, 1_703) == "−11.0"


def test_a_whole_run_needs_no_notes(make_record):
    assert notes(make_record()) == []


def test_deterministic_arms_need_one_run_only(make_record):
    record = make_record()
    for key in ("majority", "tfidf"):
        record["arms"][key]["runs"] = record["arms"][key]["runs"][:1]
    assert notes(record) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"limit": 2_000}, "Only about 2,000 examples"),
        ({"epochs": 1}, "Epochs were set to 1 instead"),
        (
            {"limit": 800, "test_limit": 1_000},
            "Only about 800 examples were used to train, and at most 1,000",
        ),
    ],
)
def test_shortened_runs_say_so(make_record, change, expected):
    record = make_record()
    record["settings"] |= change
    assert len(notes(record)) == 1
    assert expected in notes(record)[0]


def test_interrupted_runs_say_what_is_missing(make_record):
    record = make_record()
    record["status"] = "interrupted"
    del record["arms"]["fine_tuned"]
    record["arms"]["frozen"]["runs"] = record["arms"]["frozen"]["runs"][:1]
    record["arms"]["scratch"]["runs"] = record["arms"]["scratch"]["runs"][:2]
    found = notes(record)
    assert "interrupted" in found[0]
    assert found[1:] == [
        "No results of: fine_tuned.",
        "Not trained with all 3 seeds, which are repetitions from other random starts: "
        "Transformer from scratch with 2, Frozen all-MiniLM-L6-v2 with 1.",
    ]
    assert "Note: No results of: fine_tuned." in format_summary(record)
    assert "> No results of: fine\\_tuned." in markdown_table(record)


def test_seeds_that_did_not_fit_in_the_time_say_how_to_train_them(make_record):
    record = make_record()
    record["settings"]["minutes"] = 8
    record["arms"]["fine_tuned"]["runs"] = record["arms"]["fine_tuned"]["runs"][:1]
    (note,) = notes(record)
    assert "Fine-tuned all-MiniLM-L6-v2 with 1. More would have taken longer than 8 minutes" in note
    assert "--seeds 3 trains them all" in note


def test_the_surest_errors_of_the_best_arm_are_shown_in_short(make_record):
    record = make_record(class_names=("bad\x1b", "good"))
    (run, *_) = record["arms"]["fine_tuned"]["runs"]
    errors = {"true": 1, "predicted": 0, "probability": 0.987}
    run["errors"] = [{"text": "an odd\n\x1b[2J film " * 50, **errors}] * 9
    lines = format_summary(record).splitlines()
    shown = lines[
        lines.index("Test texts that Fine-tuned all-MiniLM-L6-v2 got wrong, surest first:") :
    ]
    assert len(shown) == 4
    assert shown[1].startswith("  good, taken for bad\ufffd (99%): an odd \ufffd[2J film an odd")
    assert len(shown[1]) < 150
