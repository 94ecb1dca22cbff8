import re
import statistics

import pytest
from rich.cells import cell_len

from kerasformer.compare.inputs import load_data
from kerasformer.compare.report import Findings, format_summary, write_report
from kerasformer.compare.report.tables import behind, markdown_table, notes, option_rows
from kerasformer.compare.settings import Settings


def test_summary_is_aligned_and_ends_with_the_verdict(make_record):
    lines = format_summary(Findings(make_record())).splitlines()
    table = lines[2 : lines.index("", 2)]
    assert len(table) == 6
    assert len({cell_len(line) for line in table}) == 1
    assert re.search(r"Fine-tuned all-MiniLM-L6-v2 +\d\d\.\d ± \d\.\d ", table[-1])
    assert lines[lines.index("", 2) + 1].startswith("Yes: ")


def test_summary_stays_aligned_with_wide_titles_and_cannot_steer_a_terminal(make_record):
    record = make_record(arms=("tfidf", "fine_tuned"), seeds=(0,))
    record["arms"]["fine_tuned"]["title"] = "微调 " + "模型" * 30
    record["arms"]["tfidf"]["title"] = "TF\x1b[2J-\nIDF"
    text = format_summary(Findings(record))
    assert "\x1b" not in text
    assert len({cell_len(line) for line in text.splitlines()[2:5]}) == 1


def test_markdown_has_one_row_an_arm_and_escapes_names(make_record):
    record = make_record(arms=("tfidf", "fine_tuned"))
    record["arms"]["fine_tuned"]["title"] = "a|b <b>*c*</b>\nd"
    rows = [line for line in markdown_table(Findings(record)).splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert r"a\|b &lt;b>\*c\*&lt;/b> d" in rows[-1]


def test_numbers_of_the_table(make_record):
    record = make_record(
        arms=("tfidf", "fine_tuned"),
        seeds=(0, 1),
        mains={"tfidf": [0.75, 0.75], "fine_tuned": [0.80, 0.82]},
    )
    for run, seconds in zip(record["arms"]["fine_tuned"]["runs"], (180, 190), strict=True):
        run["train_seconds"] = seconds
    text = markdown_table(Findings(record))
    assert "| 81.0 ± 1.4 |" in text
    assert "| 185 ± 7 |" in text
    assert "| −6.0 |" in text
    assert "| 22.7 M |" in text


def test_a_difference_that_may_be_chance_is_marked(make_record):
    record = make_record(
        arms=("scratch", "frozen", "fine_tuned"),
        seeds=(0, 1),
        mains={"scratch": [0.7, 0.7], "frozen": [0.8, 0.8], "fine_tuned": [0.81, 0.81]},
    )
    findings = Findings(record)
    shown = {arm.key: behind(findings, arm) for arm in findings.arms}
    assert shown == {"scratch": "−11.0", "frozen": "≈ −1.0", "fine_tuned": "best"}
    assert "≈ marks a difference that is within what other seeds" in markdown_table(findings)


def test_what_rounds_to_zero_has_no_sign(make_record, tmp_path):
    mains = {"tfidf": [0.6001], "fine_tuned": [0.6]}
    record = make_record(arms=("tfidf", "fine_tuned"), seeds=(0,), mains=mains, n=10_000)
    findings = Findings(record)
    assert 0 < findings.verdict.gap.lead < 0.0005
    texts = [format_summary(findings), markdown_table(findings)]
    write_report(record, tmp_path)
    texts.append((tmp_path / "report.html").read_text(encoding="utf-8"))
    for text in texts:
        assert not re.search(r"[-−+](0\.0\b|less)", text)
    assert behind(findings, findings.ranked[1]) == "≈ 0.0"


def test_a_whole_run_needs_no_notes(make_record):
    assert notes(Findings(make_record())) == []


def test_deterministic_arms_need_one_run_only(make_record):
    record = make_record()
    for key in ("majority", "tfidf"):
        record["arms"][key]["runs"] = record["arms"][key]["runs"][:1]
    assert notes(Findings(record)) == []


def test_epochs_are_told_of_the_arms_that_have_them(make_record):
    record = make_record()
    record["settings"]["epochs"] = 1
    title = "Fine-tuned all-MiniLM-L6-v2"
    told = f"The epochs of Transformer from scratch and {title} were set to 1."
    assert notes(Findings(record)) == [told]
    record = make_record(arms=["majority", "tfidf", "frozen"])
    record["settings"] |= {"epochs": 1, "arms": list(record["arms"])}
    assert notes(Findings(record)) == []


@pytest.mark.parametrize(
    ("task", "limits", "told"),
    [
        (
            "classification",
            {"limit": 40},
            r"Only 3\d of 82 train and \d of 14 test texts were used\.",
        ),
        (
            "tagging",
            {"limit": 12, "test_limit": 500},
            r"Only 1\d of \d\d train sentences were used\.",
        ),
        ("answering", {"limit": 500}, None),
    ],
)
def test_limits_are_told_as_they_worked(make_record, request, task, limits, told):
    source = {"classification": "reviews", "tagging": "tagged", "answering": "asked"}[task]
    settings = Settings.make(task=task, data=str(request.getfixturevalue(source)), **limits)
    data = load_data(settings)
    record = make_record(task=task)
    record["settings"] |= limits
    provenance = data.provenance
    counts = {name: {"examples": len(split)} for name, split in data.splits.items()}
    findings = Findings(record)
    findings.record = record | {"data": {"provenance": provenance, "splits": counts}}
    found = notes(findings)
    assert len(found) == (told is not None)
    assert not found or re.fullmatch(told, found[0]), found


def test_interrupted_runs_say_what_is_missing(make_record):
    record = make_record()
    record["status"] = "interrupted"
    del record["arms"]["fine_tuned"]
    record["arms"]["frozen"]["runs"] = record["arms"]["frozen"]["runs"][:1]
    record["arms"]["scratch"]["runs"] = record["arms"]["scratch"]["runs"][:2]
    found = notes(Findings(record))
    assert "interrupted" in found[0]
    assert found[1:] == [
        "No results of: fine_tuned.",
        "Not trained with all 3 seeds, which are repetitions from other random starts: "
        "Transformer from scratch with 2, Frozen all-MiniLM-L6-v2 with 1.",
    ]
    assert "Note: No results of: fine_tuned." in format_summary(Findings(record))
    assert "> No results of: fine\\_tuned." in markdown_table(Findings(record))


def test_seeds_that_did_not_fit_in_the_time_say_how_to_train_them(make_record):
    record = make_record()
    record["settings"]["minutes"] = 8
    record["arms"]["fine_tuned"]["runs"] = record["arms"]["fine_tuned"]["runs"][:1]
    (note,) = notes(Findings(record))
    assert "Fine-tuned all-MiniLM-L6-v2 with 1. More would have taken longer than 8 minutes" in note
    assert "--seeds 3 trains them all" in note


def test_the_surest_errors_of_the_best_arm_are_shown_in_short(make_record):
    record = make_record()
    (run, *_) = record["arms"]["fine_tuned"]["runs"]
    errors = {"true": "good", "predicted": "bad\x1b", "probability": 0.987}
    run["errors"] = [{"text": "an odd\n\x1b[2J film " * 50, **errors}] * 9
    lines = format_summary(Findings(record)).splitlines()
    shown = lines[
        lines.index("Test texts that Fine-tuned all-MiniLM-L6-v2 got wrong, surest first:") :
    ]
    assert len(shown) == 4
    assert shown[1].startswith("  good, taken for bad\ufffd (99%): an odd \ufffd[2J film an odd")
    assert len(shown[1]) < 150


@pytest.mark.parametrize(
    ("task", "described", "heading"),
    [
        ("pairs", "425 test pairs, 2 classes", "Latency of one pair, ms"),
        ("tagging", "425 test sentences, 5 tags", "Prediction, sentences/s"),
        ("answering", "425 test questions", "Exact match, %"),
    ],
)
def test_every_task_has_its_own_columns(make_record, task, described, heading):
    findings = Findings(make_record(task=task, seeds=(0,), n=425))
    first, *_, = text = markdown_table(findings).splitlines()  # fmt: skip
    assert first.endswith(described)
    assert any(line.startswith("| Arm |") and heading in line for line in text)
    titles = [f"{metric.title}, %" for metric in findings.quality.metrics]
    (header,) = (line for line in text if line.startswith("| Arm |"))
    assert [cell for cell in header.split(" | ") if cell in titles] == titles


def test_questions_without_an_answer_are_told(make_record):
    record = make_record(task="answering", arms=(), seeds=())
    record["data"]["has_unanswerable"] = True
    assert "test questions, some of them without an answer" in markdown_table(Findings(record))


def test_table_7_of_bert_ends_with_fine_tuning(make_record):
    record = make_record(task="tagging")
    lines = markdown_table(Findings(record)).splitlines()
    lines = lines[lines.index("## Which layers a frozen encoder should give") :]
    header, _, *rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    assert [row[0] for row in rows] == [
        "Embeddings",
        "Second-to-last hidden layer",
        "Last hidden layer",
        "Weighted sum of last four hidden layers",
        "Concatenation of last four hidden layers",
        "Weighted sum of all hidden layers",
        "Fine-tuned all-MiniLM-L6-v2",
    ]
    assert any("the frozen arm's own contains the choice." in line for line in lines)
    column = header.index("Entity F1, %")
    runs = record["arms"]["frozen"]["runs"]
    for row, options in zip(
        rows, zip(*(run["options"] for run in runs), strict=True), strict=False
    ):
        values = [100 * option["metrics"]["f1"] for option in options]
        mean, std = statistics.fmean(values), statistics.stdev(values)
        assert row[column] == f"{mean:.1f} ± {std:.1f}"
    tuned = [100 * run["metrics"]["f1"] for run in record["arms"]["fine_tuned"]["runs"]]
    assert rows[-1][column].startswith(f"{statistics.fmean(tuned):.1f} ± ")


def test_the_layers_that_validation_chose_are_marked(make_record):
    record = make_record(task="tagging")
    assert [row[-1] for row in option_rows(Findings(record))[1:]] == ["", "", "", "", "yes", "", ""]
    record["arms"]["frozen"]["runs"][0]["chosen"] = "second_to_last"
    shown = [row[-1] for row in option_rows(Findings(record))[1:]]
    assert shown == ["", "1 of 3 seeds", "", "", "2 of 3 seeds", "", ""]


def test_options_that_an_encoder_is_too_small_for_are_left_out(make_record):
    record = make_record(task="tagging")
    for run in record["arms"]["frozen"]["runs"]:
        run |= {"options": run["options"][:3] + run["options"][5:], "chosen": "last"}
    rows = option_rows(Findings(record))
    assert [row[-1] for row in rows] == ["Chosen", "", "", "yes", "", ""]


def test_the_terminal_shows_table_7(make_record):
    lines = format_summary(Findings(make_record(task="tagging"))).splitlines()
    start = lines.index("Which layers a frozen encoder should give (table 7 of the BERT paper):")
    table = lines[start + 1 : lines.index("", start)]
    assert len(table) == 8
    assert len({cell_len(line) for line in table}) == 1
    assert re.search(r"Concatenation of last four hidden layers +\d\d\.\d ± .* yes$", table[5])
    assert max(map(len, lines[: start + 9])) < 110


@pytest.mark.parametrize("task", ["classification", "pairs", "answering"])
def test_other_tasks_have_no_table_7(make_record, task):
    record = make_record(task=task, seeds=(0,), n=100)
    assert "table 7" not in format_summary(Findings(record))
    assert option_rows(Findings(record)) == []


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("tagging", "Test sentences that Fine-tuned all-MiniLM-L6-v2 got wrong, surest first:\n"
                    "  Ada (person), Rome (place), taken for – (99%): text 0,"),
        ("answering", "Test questions that Fine-tuned all-MiniLM-L6-v2 got wrong:\n"
                      "  in Rome, taken for no answer: text 0,"),
    ],
)  # fmt: skip
def test_errors_of_every_task(make_record, task, expected):
    assert expected in format_summary(Findings(make_record(task=task, seeds=(0,), n=100)))
