import copy
import json

import pytest

import kerasformer.compare.report.findings
from kerasformer.cli import main
from kerasformer.compare.report import Findings, format_summary, load_record, validate_record
from kerasformer.errors import UserError


@pytest.fixture(scope="module")
def record(make_record):
    return make_record(arms=("tfidf", "fine_tuned"), seeds=(0, 1))


def test_load_record_reads_a_file_or_its_folder(record, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert load_record(path) == load_record(tmp_path) == load_record(str(path)) == record


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no file .*record.json"),
        (b"", "not valid JSON"),
        (b'{"format": 1, "arms": {', "not valid JSON"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "expected an object"),
        (b"{}", "has no format"),
        (b'{"format": 1}', "has format 1"),
        (b'{"format": 2}', "has format 2, and this version of kerasformer reads format 3: use the"),
    ],
)
def test_load_record_tells_what_is_wrong_with_a_file(content, message, tmp_path):
    path = tmp_path / "record.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_record(path)


@pytest.mark.parametrize("key", ["status", "settings", "versions", "hardware", "data", "arms"])
def test_a_missing_key_is_named(record, key):
    with pytest.raises(UserError, match=f"record lacks {key}:"):
        validate_record({name: value for name, value in record.items() if name != key})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["settings"].update(arms=["oracle"]), "no arm 'oracle'"),
        (lambda r: r["data"].pop("class_names"), "damaged .KeyError: 'class_names'"),
        (lambda r: r["arms"].update(tfidf=3), "damaged .TypeError"),
        (lambda r: r["arms"]["tfidf"].update(runs={"a": 1}), "damaged"),
        (lambda r: _run(r).pop("metrics"), "damaged .KeyError: 'metrics'"),
        (lambda r: _run(r)["metrics"].pop("accuracy"), "damaged .KeyError: 'accuracy'"),
        (lambda r: _run(r)["metrics"].update(confusion_matrix=[[1, 2]]), "damaged .ValueError"),
        (lambda r: _run(r).update(train_seconds="an hour"), "damaged .TypeError"),
        (lambda r: _run(r)["metrics"].update(accuracy=None), "damaged .TypeError"),
        (lambda r: _run(r)["metrics"].update(accuracy=float("nan")), "no finite number"),
        (lambda r: _run(r).pop("scores"), "damaged .KeyError: 'scores'"),
        (lambda r: _run(r)["scores"].pop(), "scores of the shape .1702,., of 1703 test"),
        (
            lambda r: _run(r).update(scores=[[1, 2]] * 1_703),
            "the shape .1703, 2., of 1703",
        ),
        (lambda r: _run(r)["scores"].__setitem__(0, [1, 2]), "damaged .ValueError"),
        (lambda r: _run(r)["scores"].__setitem__(0, float("inf")), "no finite number"),
        (lambda r: _run(r)["errors"][0].update(true=1), "damaged .TypeError"),
        (lambda r: _run(r)["errors"][0].update(probability="high"), "damaged .TypeError"),
        (lambda r: _run(r)["errors"][0].pop("text"), "damaged .KeyError: 'text'"),
        (lambda r: _tuned(r)["history"][0].pop("val_score"), "damaged .KeyError: 'val_score'"),
        (lambda r: _tuned(r)["history"][0].update(loss="low"), "damaged .ValueError"),
        (lambda r: r["settings"].update(task="parsing"), "'parsing'"),
        (lambda r: _run(r).update(train_seconds=10**400), "damaged .OverflowError"),
    ],
)
def test_a_damaged_record_is_one_sentence(record, change, message):
    broken = copy.deepcopy(record)
    change(broken)
    with pytest.raises(UserError, match=message):
        validate_record(broken)


def _run(record):
    return record["arms"]["tfidf"]["runs"][0]


def _tuned(record):
    return record["arms"]["fine_tuned"]["runs"][0]


def test_the_command_works_a_record_out_once(reviews, tmp_path, monkeypatch, capsys):
    made = []
    summarize = kerasformer.compare.report.findings.summarize
    monkeypatch.setattr(
        "kerasformer.compare.report.findings.summarize",
        lambda record: made.append(record) or summarize(record),
    )
    given = [
        "--data",
        str(reviews),
        "--arms",
        "majority",
        "tfidf",
        "--output",
        str(tmp_path / "run"),
    ]
    assert main(["compare", *given]) == 0
    shown = capsys.readouterr().out
    assert "No answer: no arm that learns with pretraining has run" in shown
    assert "To use the best arm, in Python:" in shown
    assert len(made) == 1


def test_undefined_numbers_pass(record):
    """No loss, an undefined metric, a diverged loss, a cost that was not measured."""
    sparse = copy.deepcopy(record)
    run = sparse["arms"]["fine_tuned"]["runs"][0]
    run["metrics"] |= {"loss": None, "precision": float("nan"), "f1": None}
    run["history"][0] |= {"loss": float("inf"), "val_loss": None, "val_score": None}
    run |= {"latency_ms": None, "train_seconds": None, "predict_examples_per_second": None}
    sparse["arms"]["fine_tuned"]["peak_memory_mib"] = None
    validate_record(sparse)
    assert "Fine-tuned" in format_summary(Findings(sparse))


@pytest.mark.parametrize("groups", [[0, 1], ["a"] * 50, [0.5] * 50, "all", [[0]] * 50])
def test_groups_that_are_not_of_the_test_split_are_damage(make_record, groups):
    record = make_record(task="answering", n=50) | {"test_groups": groups}
    with pytest.raises(UserError, match="damaged"):
        validate_record(record)


def test_a_record_of_answering_without_its_number_of_articles_is_damaged(make_record):
    broken = make_record(task="answering", seeds=(0,), n=60)
    del broken["data"]["splits"]["test"]["articles"]
    with pytest.raises(UserError, match=r"damaged .KeyError: 'articles'"):
        validate_record(broken)


@pytest.mark.parametrize("task", ["pairs", "tagging", "answering"])
def test_records_of_every_task_are_read(make_record, tmp_path, task):
    record = make_record(task=task, n=60)
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert load_record(tmp_path) == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["data"].pop("tag_names"), "KeyError: 'tag_names'"),
        (lambda r: _frozen(r).pop("options"), "KeyError: 'options'"),
        (lambda r: _frozen(r).pop("chosen"), "KeyError: 'chosen'"),
        (lambda r: _frozen(r)["options"][0].update(name="middle"), "KeyError: 'middle'"),
        (lambda r: _frozen(r)["options"][0]["metrics"].pop("f1"), "KeyError: 'f1'"),
        (
            lambda r: _frozen(r)["options"][0]["metrics"].pop("macro_f1"),
            "damaged .KeyError: 'macro_f1'",
        ),
        (lambda r: _frozen(r)["scores"].__setitem__(0, [1, 2]), "damaged .ValueError"),
    ],
)
def test_a_damaged_record_of_tagging_is_one_sentence(make_record, change, message):
    broken = make_record(task="tagging", seeds=(0,), n=60)
    change(broken)
    with pytest.raises(UserError, match=message):
        validate_record(broken)


def _frozen(record):
    return record["arms"]["frozen"]["runs"][0]
