import contextlib
import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.compare.report import format_summary, load_record, validate_record
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
        (None, "Cannot read"),
        (b"", "not a whole JSON file"),
        (b'{"format": 1, "arms": {', "not a whole JSON file"),
        (b"\xff\xfe\x00", "not a whole JSON file"),
        (b"[" * 100_000, "not a whole JSON file"),
        (b"[]", "content is \\[\\]"),
        (b"{}", "record's format is missing"),
        (b'{"format": 2}', "format 2"),
    ],
)
def test_load_record_tells_what_is_wrong_with_a_file(content, message, tmp_path):
    path = tmp_path / "record.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_record(path)


@pytest.mark.parametrize(
    "path",
    [
        "status",
        "settings",
        "versions",
        "hardware",
        "data.name",
        "data.class_names",
        "data.fingerprint",
        "data.splits.test",
        "data.splits.train.class_counts",
        "arms",
        "arms.tfidf.title",
        "arms.tfidf.settings",
        "arms.tfidf.peak_memory_mib",
        "arms.fine_tuned.runs[1].seed",
        "arms.fine_tuned.runs[1].train_seconds",
        "arms.fine_tuned.runs[1].parameters.total",
        "arms.fine_tuned.runs[1].metrics.f1",
        "arms.fine_tuned.runs[1].metrics.per_class[0].support",
        "arms.fine_tuned.runs[1].history[2].val_loss",
    ],
)
def test_a_missing_key_is_named(record, path):
    broken = copy.deepcopy(record)
    *parents, last = path.replace("[", ".").replace("]", "").split(".")
    target = broken
    for key in parents:
        target = target[int(key) if key.isdigit() else key]
    del target[last]
    with pytest.raises(UserError) as error:
        validate_record(broken)
    assert f"{path} is missing" in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(status="done"), "status is 'done'"),
        (lambda r: r["arms"].update(oracle=r["arms"]["tfidf"]), "arms.oracle is no arm"),
        (lambda r: r["settings"].update(arms=3), "settings.arms is 3, where a list"),
        (lambda r: r["data"].update(class_names=[]), "data.class_names is empty"),
        (lambda r: r["data"]["class_names"].append("x"), "class_counts does not hold"),
        (lambda r: _metrics(r).update(accuracy=83.1), "accuracy is 83.1, where a number from 0"),
        (lambda r: _metrics(r).update(accuracy=float("nan")), "accuracy is nan"),
        (lambda r: _metrics(r).update(accuracy=True), "accuracy is True"),
        (lambda r: _metrics(r).update(confusion_matrix=[[1]]), "is not 2 by 2"),
        (lambda r: _metrics(r).update(per_class=[]), "does not hold 2 entries"),
        (lambda r: r["arms"]["tfidf"]["runs"][0].update(latency_ms=-1), "at least 0"),
    ],
)
def test_a_value_that_cannot_be_is_named(record, change, message):
    broken = copy.deepcopy(record)
    change(broken)
    with pytest.raises(UserError, match=message):
        validate_record(broken)


def _metrics(record):
    return record["arms"]["tfidf"]["runs"][0]["metrics"]


def test_undefined_numbers_pass(record):
    """No loss, an undefined metric, a diverged loss, a cost that was not measured."""
    sparse = copy.deepcopy(record)
    run = sparse["arms"]["fine_tuned"]["runs"][0]
    run["metrics"] |= {"loss": None, "precision": float("nan"), "f1": None}
    run["metrics"]["per_class"][0] |= {"precision": None, "f1": float("nan")}
    run["history"][0] |= {"loss": float("inf"), "val_loss": None, "val_accuracy": None}
    run |= {"latency_ms": None, "train_seconds": None, "predict_examples_per_second": None}
    sparse["arms"]["fine_tuned"]["peak_memory_mib"] = None
    validate_record(sparse)
    assert "Fine-tuned" in format_summary(sparse)


_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just([None]),
    st.just({"runs": 3}),
    st.just(10**400),
)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_junk_anywhere_is_a_user_error_or_harmless(record, data):
    broken = copy.deepcopy(record)
    target = broken
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        inner = target[key]
        if not isinstance(inner, dict | list) or data.draw(st.integers(0, 4)) == 0:
            target[key] = data.draw(_JUNK)
            break
        target = inner
    with contextlib.suppress(UserError):
        assert format_summary(broken)
