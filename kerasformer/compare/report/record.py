"""Reading `record.json`, and checking that it holds what the report needs."""

import json
import math
from pathlib import Path

from kerasformer.errors import UserError

FORMAT = 1
ARMS = ("majority", "tfidf", "scratch", "frozen", "fine_tuned")
STATUSES = ("complete", "interrupted")
_ENDLESS = 1e18  # no count or time of a comparison comes near


class _Number:
    """A finite number, within bounds; `optional` lets null, NaN and infinity pass as undefined."""

    def __init__(self, low=-math.inf, high=math.inf, optional=False):
        self.low, self.high, self.optional = low, high, optional

    def __call__(self, value, key):
        undefined = value is None or (isinstance(value, float) and not math.isfinite(value))
        if self.optional and undefined:
            return
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not abs(value) < _ENDLESS or not self.low <= value <= self.high:
            bounds = f" from {self.low:g} to {self.high:g}" if math.isfinite(self.high) else ""
            bounds = bounds or (f" of at least {self.low:g}" if math.isfinite(self.low) else "")
            _fail(key, f"is {_shorten(value)}, where a number{bounds} is expected")


_SHARE = _Number(0, 1)
_SHARE_OR_NULL = _Number(0, 1, optional=True)
_AMOUNT = _Number(0)
_AMOUNT_OR_NULL = _Number(0, optional=True)
_LOSS = _Number(optional=True)  # NaN or infinite where training diverged

# What the report reads, as data: a type, a check, a dict of required keys, or a list of one shape.
_RUN = {
    "seed": int,
    "metrics": {
        "accuracy": _SHARE,
        "precision": _SHARE_OR_NULL,
        "recall": _SHARE_OR_NULL,
        "f1": _SHARE_OR_NULL,
        "loss": _LOSS,
        "per_class": [
            {
                "name": str,
                "precision": _SHARE_OR_NULL,
                "recall": _SHARE_OR_NULL,
                "f1": _SHARE_OR_NULL,
                "support": _AMOUNT,
            }
        ],
        "confusion_matrix": [[_AMOUNT]],
    },
    "history": [
        {
            "epoch": _AMOUNT,
            "loss": _LOSS,
            "accuracy": _SHARE_OR_NULL,
            "val_loss": _LOSS,
            "val_accuracy": _SHARE_OR_NULL,
        }
    ],
    "train_seconds": _AMOUNT_OR_NULL,
    "train_examples_per_second": _AMOUNT_OR_NULL,
    "predict_examples_per_second": _AMOUNT_OR_NULL,
    "latency_ms": _AMOUNT_OR_NULL,
    "parameters": {"trainable": _AMOUNT_OR_NULL, "total": _AMOUNT_OR_NULL},
}
_ARM = {"title": str, "settings": dict, "peak_memory_mib": _AMOUNT_OR_NULL, "runs": [_RUN]}
_SPLIT = {"examples": _AMOUNT, "class_counts": [_AMOUNT]}
_ASKED = {
    "arms": [str],
    "seeds": [int],
    "limit": _AMOUNT,
    "epochs": _AMOUNT,
}  # settings that may be left out
_RECORD = {
    "format": int,
    "created": str,
    "status": str,
    "settings": dict,
    "versions": dict,
    "hardware": dict,
    "data": {
        "name": str,
        "class_names": [str],
        "fingerprint": str,
        "provenance": dict,
        "splits": {"test": _SPLIT},
    },
    "arms": dict,
}


def load_record(path) -> dict:
    """Reads the record of one run of `kerasformer compare`.

    Args:
        path: A `record.json`, or the folder that holds it.

    Returns:
        The record, checked by `validate_record`.

    Raises:
        UserError: The file is missing, is not JSON, or lacks something.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "record.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"Cannot read {path} ({error.strerror}): give the record.json of a run, or its folder."
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not a whole JSON file ({error}): run kerasformer compare again to write it."
        ) from None
    validate_record(record)
    return record


def validate_record(record: dict) -> None:
    """Checks that a record has this version's format and every key that the report reads.

    Args:
        record: What `record.json` holds.

    Raises:
        UserError: Names the first key that is missing or holds something else.

    Example:

    >>> validate_record({"format": 2})
    Traceback (most recent call last):
    ...
    kerasformer.errors.UserError: The record has format 2, and this version of kerasformer reads \
format 1: use the version that wrote it.
    """
    if isinstance(record, dict) and record.get("format", FORMAT) != FORMAT:
        raise UserError(
            f"The record has format {_shorten(record['format'])}, and this version of kerasformer "
            f"reads format {FORMAT}: use the version that wrote it."
        )
    _check(record, _RECORD, "")
    if record["status"] not in STATUSES:
        _fail("status", f"is {_shorten(record['status'])}, where {_either(STATUSES)} is expected")
    for name, shape in _ASKED.items():
        if record["settings"].get(name) is not None:
            _check(record["settings"][name], shape, f"settings.{name}")
    if not record["data"]["class_names"]:
        _fail("data.class_names", "is empty, where at least one class is expected")
    for name, split in record["data"]["splits"].items():
        _check(split, _SPLIT, f"data.splits.{name}")
        if len(split["class_counts"]) != len(record["data"]["class_names"]):
            _fail(f"data.splits.{name}.class_counts", "does not hold one count a class")
    for name, arm in record["arms"].items():
        if name not in ARMS:
            _fail(f"arms.{name}", f"is no arm of this version: {_either(ARMS)} is expected")
        _check(arm, _ARM, f"arms.{name}")
        for index, run in enumerate(arm["runs"]):
            _check_classes(run, len(record["data"]["class_names"]), f"arms.{name}.runs[{index}]")


def _check(value, shape, key):
    """Checks a value of the record against its shape, going down into dicts and lists."""
    kind = shape if isinstance(shape, type) else type(shape)
    if isinstance(shape, _Number):
        shape(value, key)
        return
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        _fail(key, f"is {_shorten(value)}, where a {kind.__name__} is expected")
    if isinstance(shape, dict):
        for name, inner in shape.items():
            path = f"{key}.{name}" if key else name
            if name not in value:
                _fail(path, "is missing")
            _check(value[name], inner, path)
    elif isinstance(shape, list):
        for index, item in enumerate(value):
            _check(item, shape[0], f"{key}[{index}]")


def _check_classes(run, classes, key):
    """Checks that a run's confusion matrix and per-class metrics cover the classes."""
    matrix = run["metrics"]["confusion_matrix"]
    if len(matrix) != classes or any(len(row) != classes for row in matrix):
        _fail(f"{key}.metrics.confusion_matrix", f"is not {classes} by {classes}, the classes")
    if len(run["metrics"]["per_class"]) != classes:
        _fail(f"{key}.metrics.per_class", f"does not hold {classes} entries, one a class")


def _fail(key, problem):
    raise UserError(
        f"The record's {key or 'content'} {problem}: run kerasformer compare again to write it."
    )


def _either(names):
    return " or ".join(repr(name) for name in names)


def _shorten(value):
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
