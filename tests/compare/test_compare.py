"""`kerasformer compare`, from the command line to the files that it leaves."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from kerasformer.cli import main
from kerasformer.compare import Settings, arms_of, compare, runner
from kerasformer.compare.report import Findings, load_record, usage
from kerasformer.compare.settings import MODELS
from kerasformer.data import load_dataset
from kerasformer.errors import UserError
from kerasformer.tasks import (
    RecurrentClassifier,
    StaticClassifier,
    TextClassifier,
    TokenClassifier,
    TransformerClassifier,
)

from ..kills import in_a_child

FILES = {
    "record.json", "table.md", "report.html", "quality_vs_time.png", "learning_curves.png",
    "confusion_matrices.png",
}  # fmt: skip


def run(*options):
    """Starts the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "kerasformer.cli", "compare", *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def whole(reviews, pretrained, tmp_path_factory):
    """One comparison of all arms."""
    folder = tmp_path_factory.mktemp("results") / "all"
    process = run(
        "--data", reviews, "--pretrained", pretrained, "--seeds", 1, "--output", folder,
        "--dtype", "float32", "--keep-models",
    )  # fmt: skip
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return folder, out, err


def test_it_leaves_the_record_the_table_the_plots_and_the_page(whole):
    folder, out, err = whole
    assert {file.name for file in folder.iterdir()} == FILES | {MODELS}
    assert "The report:" in out
    assert "[7/7]" in err
    assert "Traceback" not in err
    assert "retracing" not in err
    assert "To use the best arm, in Python:" in out


def test_the_record_holds_every_arm_with_its_costs(whole, reviews):
    record = load_record(whole[0])
    assert record["status"] == "complete"
    arms = arms_of("classification").items()
    assert list(record["arms"]) == [key for key, arm in arms if not arm.own_texts]
    assert record["data"] == json.loads(json.dumps(load_dataset(reviews).describe()))
    for name, arm in record["arms"].items():
        (run,) = arm["runs"]
        assert (
            sum(count for _, _, count in run["metrics"]["confusion_matrix"])
            == record["data"]["splits"]["test"]["examples"]
        )
        assert run["train_seconds"] > 0
        assert run["latency_ms"] > 0
        assert arm["peak_memory_mib"] > 50
        assert bool(run["history"]) is (name not in ("majority", "tfidf"))
    frozen, tuned = record["arms"]["frozen"]["runs"][0], record["arms"]["fine_tuned"]["runs"][0]
    assert frozen["parameters"]["trainable"] == 2 * (2 * 16 + 1)
    assert tuned["parameters"]["trainable"] > frozen["parameters"]["trainable"]
    # The arms without TensorFlow stay free of it.
    assert record["arms"]["tfidf"]["peak_memory_mib"] < record["arms"]["scratch"]["peak_memory_mib"]


def test_the_linear_baseline_is_that_of_scikit_learn(whole, reviews):
    dataset = load_dataset(reviews)
    vectorizer = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b|[^\w\s]")
    model = LogisticRegression(C=4.0, max_iter=1000)
    model.fit(vectorizer.fit_transform(dataset.train.texts), dataset.train.labels)
    expected = model.score(vectorizer.transform(dataset.test.texts), dataset.test.labels)
    (run,) = load_record(whole[0])["arms"]["tfidf"]["runs"]
    assert run["metrics"]["accuracy"] == pytest.approx(expected)


def test_a_finished_comparison_is_resumed_without_work(whole, reviews):
    before = load_record(whole[0])["arms"]
    compare(output=whole[0], resume=True)
    assert load_record(whole[0])["arms"] == before


def test_an_arm_that_is_the_same_with_every_seed_runs_once(reviews, tmp_path, capsys):
    compare(data=str(reviews), arms=["majority", "tfidf"], seeds=3, output=tmp_path / "run")
    assert "[2/2]" in capsys.readouterr().err
    record = load_record(tmp_path / "run")
    assert record["status"] == "complete"
    assert [[run["seed"] for run in arm["runs"]] for arm in record["arms"].values()] == [[0], [0]]
    compare(output=tmp_path / "run", resume=True)
    assert load_record(tmp_path / "run")["arms"] == record["arms"]
    assert "with 1" not in (tmp_path / "run" / "table.md").read_text()  # as of one that was cut


def with_best(record, best):
    """The record, had this arm been the best."""
    for key, arm in record["arms"].items():
        arm["runs"][0]["metrics"]["accuracy"] = float(key == best)
    return record


@pytest.mark.parametrize(
    ("arm", "with_model"),
    [
        *(("tfidf", False), ("scratch", True), ("scratch", False)),
        *(("frozen", True), ("frozen", False), ("fine_tuned", True)),
        *(("static", True), ("static", False), ("lstm", True), ("lstm", False)),
    ],
)
def test_the_program_for_the_best_arm_runs(whole, arm, with_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    findings = Findings(with_best(load_record(whole[0]), arm))
    program = usage(findings, whole[0] if with_model else tmp_path)
    assert ("load_dataset" in program) is (not with_model or arm == "tfidf")
    exec(program, {})
    assert capsys.readouterr().out.splitlines()[-1].strip("[]'") in ("good", "bad")


def test_the_models_that_are_kept_are_those_that_were_measured(whole, reviews):
    record, test = load_record(whole[0]), load_dataset(reviews).test
    assert sorted(path.name for path in (whole[0] / MODELS).iterdir()) == [
        "fine_tuned", "frozen", "lstm", "scratch", "static",
    ]  # fmt: skip
    kinds = {"scratch": TransformerClassifier, "frozen": TextClassifier}
    kinds |= {"static": StaticClassifier, "lstm": RecurrentClassifier}
    for arm, task in kinds.items():
        (run,) = record["arms"][arm]["runs"]
        model = task.from_pretrained(whole[0] / MODELS / arm)
        metrics = model.evaluate(test.texts, test.labels, return_dict=True)
        assert metrics["accuracy"] == run["metrics"]["accuracy"]


def test_the_page_says_how_to_use_the_best_arm(whole):
    page = (whole[0] / "report.html").read_text(encoding="utf-8")
    assert "How to use the best arm" in page


def test_nothing_learned_is_nothing_to_use(whole, tmp_path):
    record = load_record(whole[0])
    record["arms"] = {"majority": record["arms"]["majority"]}
    assert usage(Findings(record), whole[0]) is None
    assert usage(Findings({**record, "arms": {}}), tmp_path) is None


def interrupted(folder, *options):
    """Starts a comparison, and interrupts it by Ctrl-C in its second arm."""
    process, deadline = run(*options, "--output", folder), time.monotonic() + 120
    while not (folder / "record.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    return err


def test_ctrl_c_keeps_finished_arms_and_resume_goes_on(reviews, tmp_path):
    folder = tmp_path / "run"
    options = ["--data", reviews, "--arms", "majority", "scratch", "tfidf", "--seeds", 1]
    err = interrupted(folder, *options)
    command = err.splitlines()[-1].removesuffix(".").partition("continue by ")[2]
    assert shlex.split(command) == ["kerasformer", "compare", "--resume", "--output", str(folder)]
    record = load_record(folder)
    assert record["status"] == "interrupted"
    assert list(record["arms"]) == ["majority"]
    assert {file.name for file in folder.iterdir()} == FILES

    process = run(*shlex.split(command)[2:])
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    resumed = load_record(folder)
    assert resumed["status"] == "complete"
    assert list(resumed["arms"]) == ["majority", "scratch", "tfidf"]
    assert resumed["arms"]["majority"] == record["arms"]["majority"]


def test_a_comparison_of_taggers_goes_on_after_ctrl_c(tagged, deep, tmp_path):
    folder = tmp_path / "run"
    options = ["--task", "tagging", "--data", tagged, "--pretrained", deep, "--seeds", 1]
    options += ["--arms", "frequent_tag", "frozen", "--dtype", "float32", "--keep-models"]
    interrupted(folder, *options)
    record = load_record(folder)
    assert record["status"] == "interrupted"
    assert list(record["arms"]) == ["frequent_tag"]
    with pytest.raises(UserError, match=r"task was 'tagging' .* and is 'pairs' now"):
        compare(output=folder, resume=True, task="pairs")
    process = run("--resume", "--output", folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    resumed = load_record(folder)
    assert resumed["status"] == "complete"
    assert resumed["arms"]["frequent_tag"] == record["arms"]["frequent_tag"]
    assert f"--task tagging --data {tagged}" in (folder / "report.html").read_text()
    assert "Concatenation of last four hidden layers" in out
    # What needs no TensorFlow stays free of it.
    peaks = [arm["peak_memory_mib"] for arm in resumed["arms"].values()]
    assert peaks[0] < 0.7 * peaks[1]

    (frozen,) = resumed["arms"]["frozen"]["runs"]
    model = TokenClassifier.from_pretrained(folder / MODELS / "frozen")
    test = load_dataset(tagged, "tagging").test
    scores = model.evaluate(test, return_dict=True, verbose=0)
    assert scores["f1"] == pytest.approx(frozen["metrics"]["f1"])
    assert not (folder / "kept").exists()


def test_frozen_features_are_kept_for_a_later_process(reviews, pretrained, tmp_path, monkeypatch):
    from kerasformer.compare.methods.classification import Frozen
    from kerasformer.compare.worker import Events

    class NoPipe:
        def send(self, content):
            pass

    dataset = load_dataset(reviews).with_validation()
    settings = Settings.make(pretrained=str(pretrained), dtype="float32")

    def run():
        arm = Frozen(dataset, settings, Events(NoPipe()), tmp_path / "kept")
        return arm.run(seed=1), arm.cache.seconds

    first, seconds = run()
    assert 0 < seconds < first["train_seconds"]
    monkeypatch.setattr(TextClassifier, "_features", None)  # would fail if it were called
    second, seconds_again = run()
    assert seconds_again == seconds < second["train_seconds"]
    for name in ("confusion_matrix", "loss"):
        np.testing.assert_allclose(second["metrics"][name], first["metrics"][name], rtol=1e-4)


@pytest.mark.parametrize("arm", ["FineTuned", "Frozen"])
def test_the_head_of_a_source_is_not_what_is_compared(arm, reviews, pretrained, tmp_path, recwarn):
    from kerasformer.compare.methods import classification

    source = TextClassifier.from_pretrained(pretrained, 3)
    source.save_pretrained(tmp_path / "source")
    settings = Settings.make(pretrained=str(tmp_path / "source"), dtype="float32")
    kind = getattr(classification, arm)
    made = kind(load_dataset(reviews), settings, None, tmp_path / "kept")
    model, _ = made.new_model()
    assert model.class_names == ("bad", "good")
    assert "new_head=True" in kind.code(made.settings)
    assert not [one for one in recwarn if "must be trained" in str(one.message)]


def test_resuming_with_other_settings_or_other_data_is_refused(reviews, tmp_path):
    file = tmp_path / "reviews.csv"
    file.write_text(reviews.read_text())
    folder = compare(data=str(file), arms=["majority"], seeds=1, output=tmp_path / "run")
    with pytest.raises(UserError, match="seeds was"):
        compare(output=folder, resume=True, seeds=2)
    file.write_text(reviews.read_text().replace("fine film 0", "fine film 1000"))
    with pytest.raises(UserError, match="changed since"):
        compare(output=folder, resume=True)


def test_resuming_with_another_model_is_refused(reviews, pretrained, tmp_path):
    import shutil

    model = shutil.copytree(pretrained, tmp_path / "model")
    options = {"data": str(reviews), "pretrained": str(model), "arms": ["frozen"], "seeds": 1}
    folder = compare(**options, output=tmp_path / "run")
    (model / "README.md").write_text("# A model")
    compare(output=folder, resume=True)  # nothing to do, and the same model
    weights = model / "model.safetensors"
    before, stamp = weights.read_bytes(), weights.stat()
    weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    os.utime(weights, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # of the same size and time
    with pytest.raises(UserError, match=r"has changed since .*model\.safetensors.*start a new"):
        compare(output=folder, resume=True)


def test_what_a_run_leaves_that_was_killed_before_its_first_result_is_in_nobodys_way(
    reviews, tmp_path
):
    folder = tmp_path / "run"
    (folder / "kept").mkdir(parents=True)
    (folder / MODELS / "scratch").mkdir(parents=True)
    (folder / ".lock").touch()
    (folder / ".record.json.0123456789abcdef.unfinished").touch()
    with pytest.raises(UserError, match=r"no record\.json, .* without --resume"):
        compare(output=folder, resume=True)
    compare(data=str(reviews), arms=["majority"], seeds=1, output=folder)
    assert {file.name for file in folder.iterdir()} == FILES | {MODELS}


def test_what_ended_a_comparison_is_told_and_tried_again(reviews, tmp_path, monkeypatch, capsys):
    options = {"data": str(reviews), "seeds": 1}
    whole = load_record(compare(**options, arms=["majority", "tfidf"], output=tmp_path / "whole"))
    mistakes = [
        UserError("The loss is nan: try a lower rate."),
        RuntimeError("Traceback (most recent call last):\n  ...\nValueError: a bug\n"),
    ]

    def run_arm(arm, seeds, record, *_):
        if arm == "tfidf" and mistakes:
            raise mistakes[0]
        record["arms"][arm] = whole["arms"][arm]

    monkeypatch.setattr(runner, "_run_arm", run_arm)
    monkeypatch.setattr(runner, "RESULTS", tmp_path)
    (tmp_path / "whole" / "record.json").unlink()
    folder, told = tmp_path / "run", ["The loss is nan: try a lower rate.", "ValueError: a bug"]
    for number, message in enumerate(told):
        given = {"resume": True} if number else {**options, "arms": ["majority", "tfidf"]}
        with pytest.raises(type(mistakes[0])):
            compare(**given, output=None if number else folder)
        del mistakes[0]
        assert load_record(folder)["status"] == "failed"
        for file in ("table.md", "report.html"):
            text = (folder / file).read_text()
            assert "TF-IDF + logistic regression failed (" in text
            assert message in text
            assert "nterrupted" not in text
        assert f"1 finished run and a report are in {folder}; continue" in capsys.readouterr().err
    compare(resume=True)
    record = load_record(folder)
    assert (record["status"], list(record["arms"])) == ("complete", ["majority", "tfidf"])
    assert "error" not in record
    assert "failed" not in (folder / "table.md").read_text()
    with pytest.raises(UserError, match="There is no unfinished comparison under"):
        compare(resume=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_at_any_step_it_begins_again_or_goes_on(reviews, tmp_path, monkeypatch):
    options = {"data": str(reviews), "arms": ["majority"], "seeds": 1}
    whole = load_record(compare(**options, output=tmp_path / "whole"))

    def run_arm(arm, seeds, record, dataset, settings, folder, *_):
        (folder / "kept").mkdir(exist_ok=True)
        record["arms"] = whole["arms"]
        runner._write_record(record, folder)

    monkeypatch.setattr(runner, "_run_arm", run_arm)  # without a process of its own
    monkeypatch.setattr(runner, "write_findings", lambda *_: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    begun = []
    for step in range(1, 50):
        folder = tmp_path / str(step)
        status = in_a_child(lambda folder=folder: compare(**options, output=folder), step, folder)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        begun.append((folder / "record.json").exists())
        if begun[-1]:
            compare(output=folder, resume=True)
        else:
            compare(**options, output=folder)
        assert load_record(folder)["status"] == "complete"
        assert {path.name for path in folder.iterdir()} == {"record.json"}
    assert status == 0
    assert begun.count(False) > 2
    assert begun.count(True) > 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for children in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_the_worker_ends_with_its_parent(reviews, tmp_path, number):
    folder, deadline = tmp_path / "run", time.monotonic() + 120
    options = ["--data", reviews, "--arms", "majority", "scratch", "--seeds", 1]
    process = run(*options, "--output", folder)
    while not (folder / "record.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # into the second arm
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    children = [int(pid) for pid in listed.split()]
    assert children
    process.send_signal(number)
    process.communicate(timeout=60)
    deadline = time.monotonic() + 8  # which an import of TensorFlow may take
    while any(os.path.exists(f"/proc/{pid}/exe") for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def fails(capsys, *options):
    """The one line that a mistake is answered with."""
    assert main(["compare", *map(str, options)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = (line for line in captured.err.splitlines() if not line.startswith("["))  # progress
    return line


CSV = "text,label\nfine,1\ndull,0\nwarm,1\ncold,0\n"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, [], "data.csv"),
        (b"", [], "empty|no "),
        (b"text,label\n", [], "no "),
        (b"text,label\nfine,1\nwarm,1\n", [], "one class"),
        (CSV.encode(), ["--text-column", "txt"], "'?text'?"),
        (b"text,text,label\na,b,1\n", [], "text"),
        (CSV.encode() + b",1\n", [], "without a text"),
        (CSV.encode() + "né".encode("latin-1") + b",1\n", [], "UTF-8"),
        (CSV.encode(), ["--arms", "scratches"], "scratches"),
        (CSV.encode(), ["--seeds", "0"], "seeds"),
        (CSV.encode(), ["--pretrained", "all-MiniLM-L6-v3"], "all-MiniLM-L6-v2"),
        (CSV.encode(), ["--pretrained", "./no/such/model"], "no/such/model"),
        (CSV.encode(), ["--resume"], "There is no folder .*out whose comparison"),
        (
            CSV.encode(),
            ["--task", "tagging", "--arms", "tfidf"],
            "no arm 'tfidf' for tagging.*freq",
        ),
        (CSV.encode(), ["--arms", "sliding_window"], "no arm 'sliding_window' for classification"),
        (CSV.encode(), ["--task", "pairs"], "second text|two|pair|columns"),
        (CSV.encode(), ["--task", "answering"], "SQuAD .json"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    content, options, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("KERASFORMER_OFFLINE", "1")
    monkeypatch.setenv("KERASFORMER_CACHE", str(tmp_path / "cache"))
    file, folder = tmp_path / "data.csv", tmp_path / "out"
    if content is not None:
        file.write_bytes(content)
    line = fails(capsys, "--data", file, "--output", folder, *options)
    import re

    assert re.search(message, line, re.IGNORECASE), line
    assert not folder.exists()


def test_no_network_and_nothing_cached(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERASFORMER_OFFLINE", "1")
    monkeypatch.setenv("KERASFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert "KERASFORMER_OFFLINE" in fails(capsys)
    assert not (tmp_path / "results").exists()


def test_an_output_folder_in_use_is_refused(reviews, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    line = fails(capsys, "--data", reviews, "--arms", "majority", "--output", tmp_path)
    assert "not empty" in line
    line = fails(capsys, "--data", reviews, "--output", tmp_path / "notes.txt")
    assert "is a file" in line
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_two_comparisons_never_write_to_one_folder(reviews, tmp_path):
    import filelock

    folder = compare(data=str(reviews), arms=["majority"], seeds=1, output=tmp_path / "run")
    with filelock.FileLock(folder / ".lock"), pytest.raises(UserError, match="Another comparison"):
        compare(output=folder, resume=True)


def test_a_damaged_checkpoint_is_one_sentence(reviews, pretrained, tmp_path, capsys):
    import shutil

    damaged = shutil.copytree(pretrained, tmp_path / "damaged")
    weights = (damaged / "model.safetensors").read_bytes()
    (damaged / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    line = fails(
        capsys, "--data", reviews, "--pretrained", damaged, "--arms", "fine_tuned",
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert "model.safetensors" in line
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_sentence(reviews, tmp_path, capsys, monkeypatch):
    import errno

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    line = fails(
        capsys, "--data", reviews, "--arms", "majority", "--output", tmp_path / "out"
    )  # fmt: skip
    assert "No space left" in line


def test_only_classification_has_data_of_its_own(tmp_path, capsys):
    line = fails(capsys, "--task", "tagging", "--output", tmp_path / "out")
    assert "tagging was given without data" in line
    assert Settings.make().data == "rotten-tomatoes"
    with pytest.raises(UserError, match=r"no task 'ranking'.*pairs"):
        Settings.make(task="ranking")


def test_resuming_another_task_is_refused(reviews, tmp_path):
    folder = compare(data=str(reviews), arms=["majority"], seeds=1, output=tmp_path / "run")
    with pytest.raises(UserError, match=r"task was 'classification' .* and is 'tagging' now"):
        compare(output=folder, resume=True, task="tagging")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limit": "10"}, "limit is '10'; expected a whole number"),
        ({"epochs": 1.5}, "epochs is 1.5; expected a whole number"),
        ({"limit": True}, "limit is True; expected a whole number"),
        ({"seeds": 1.5}, "seeds is 1.5; expected a number of at least 1, or a list"),
        ({"seeds": []}, r"seeds is \[\]; expected"),
        ({"seeds": [-1]}, r"seeds is \[-1\]; expected"),
        ({"seeds": 0}, "seeds is 0; expected"),
        ({"minutes": "5"}, "minutes is '5'; expected a number above 0"),
        ({"epoch": 1}, "no setting 'epoch'; choose from data, task"),
        ({"data": [("a text", 1)]}, "data is of type list; expected a path or a name"),
    ],
)
def test_settings_that_cannot_be(given, said):
    with pytest.raises(UserError, match=said):
        Settings.make(**given)


def test_settings_take_paths_and_one_arm(tmp_path):
    made = Settings.make(data=tmp_path, arms="tfidf")
    assert made.data == str(tmp_path)
    assert made.arms == ("tfidf",)


def test_a_script_without_a_guard_is_told_of_it(reviews, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from kerasformer.compare import compare\n"
        f"compare(data={str(reviews)!r}, arms='majority', output={str(tmp_path / 'out')!r})\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert run.returncode
    assert "call it under if __name__ == '__main__'" in run.stderr


def test_settings_stand_for_seeds():
    assert Settings.make(seeds=2).seeds == (0, 1)
    assert Settings.make(seeds=[5, 7]).seeds == (5, 7)
