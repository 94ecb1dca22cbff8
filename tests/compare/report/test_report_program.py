"""The program for the best arm of each task runs, on tiny data and with a tiny model."""

import shutil
from pathlib import Path

import pytest

from kerasformer.compare.arms import arms_of
from kerasformer.compare.report import Findings, usage, write_report
from kerasformer.compare.settings import MODELS

SOURCES = {"classification": "reviews", "pairs": "pairs", "tagging": "tagged", "answering": "asked"}
LEARNERS = [(task, key) for task in SOURCES for key, arm in arms_of(task).items() if arm.learns]
# What the last line says begins as one of these.
ANSWERS = {
    "classification": ("['good", "['bad", "good", "bad"),
    "pairs": ("['same", "['other", "same", "other"),
    "tagging": ("[[",),
    "answering": ("Answer(text=",),
}


@pytest.fixture
def record(make_record, request, pretrained):
    """A record of a task on a tiny file, of which one arm is the best."""

    def made(task, best):
        record = make_record(arms_of(task), task=task, seeds=(0,), n=40)
        data = str(request.getfixturevalue(SOURCES[task]))
        record["settings"] |= {"data": data, "pretrained": str(pretrained), "keep_models": True}
        for key, entry in record["arms"].items():
            entry["settings"] |= {"pretrained": str(pretrained), "epochs": 1, "layers": "last"}
            entry["settings"]["pretraining_steps"] = 1
            metric = "f1" if task in ("tagging", "answering") else "accuracy"
            entry["runs"][0]["metrics"][metric] = float(key == best)
            if "chosen" in entry["runs"][0]:
                entry["runs"][0]["chosen"] = "last"
        return record

    return made


@pytest.mark.parametrize(("task", "arm"), LEARNERS)
def test_the_program_for_the_best_arm_runs(
    record, task, arm, tmp_path, monkeypatch, capsys, without_graphs
):
    monkeypatch.chdir(tmp_path)
    program = usage(Findings(record(task, arm)), tmp_path)
    exec(program, {})
    answer = capsys.readouterr().out.splitlines()[-1]
    assert answer.startswith(ANSWERS[task])
    if not (tmp_path / "my-model").exists():
        assert arm in ("tfidf", "frequent_tag")  # which no format can save
        return
    shutil.move(tmp_path / "my-model", tmp_path / MODELS / arm)  # as if it had been kept
    program = usage(Findings(record(task, arm)), Path())  # and from another folder
    assert "load_dataset" not in program
    monkeypatch.chdir("/")
    exec(program, {})
    assert capsys.readouterr().out.splitlines()[-1] == answer


@pytest.mark.parametrize(("arm", "asked"), [("scratch", False), ("frequent_tag", True)])
def test_models_that_the_comparison_did_not_keep_are_not_its_models(record, tmp_path, arm, asked):
    (tmp_path / MODELS / arm).mkdir(parents=True)  # of a run before it
    parts = record("tagging", arm)
    parts["settings"]["keep_models"] = asked
    assert "load_dataset" in usage(Findings(parts), tmp_path)
    write_report(parts, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "that was kept" not in page
    assert ("--keep-models" in page.partition("How to use")[2].partition("<pre>")[0]) is not asked


def test_tags_that_mark_no_entities_are_asked_for_as_they_are(record, tmp_path):
    parts = record("tagging", "fine_tuned")
    parts["data"]["tag_names"] = ["NOUN", "VERB"]
    for entry in parts["arms"].values():
        run = entry["runs"][0]
        run["scores"] = [row[:2] for row in run["scores"]]
        of_options = [option["metrics"] for option in run.get("options", [])]
        for metrics in (run["metrics"], *of_options):
            metrics["accuracy"] = metrics["f1"]
    program = usage(Findings(parts), tmp_path)
    assert ".entities" not in program
    assert program.endswith('print(model.tag([["A", "text", "of", "yours", "."]]))')


def test_the_layers_are_those_that_most_seeds_chose(record, tmp_path):
    parts = record("tagging", "frozen")
    entry = parts["arms"]["frozen"]
    (run,) = entry["runs"]
    chosen = ["last", "weighted_all", "last", "embeddings"]
    entry["runs"] = [run | {"seed": i, "chosen": name} for i, name in enumerate(chosen)]
    entry["settings"]["layers"] = "embeddings"
    assert "layers='last'" in usage(Findings(parts), tmp_path)


def test_what_is_pretrained_here_is_trained_at_its_own_rate(record, tmp_path):
    parts = record("classification", "pretrained_here")
    parts["arms"]["pretrained_here"]["settings"]["learning_rate"] = 3e-4
    assert "model.fit(data, epochs=1, learning_rate=0.0003)\n" in usage(Findings(parts), tmp_path)


def test_what_learns_nothing_has_no_program(record, tmp_path):
    assert usage(Findings(record("answering", "sliding_window")), tmp_path) is None
    assert usage(Findings(record("pairs", "majority")), tmp_path) is None
