"""What a search was asked for and found: `record.json`."""

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

from kerasformer.data.dataset import Dataset
from kerasformer.errors import UserError
from kerasformer.files import parse_json, read_json, write_whole, writing
from kerasformer.formatting import joined, plain
from kerasformer.hardware import describe_hardware, versions
from kerasformer.tune.space import SEARCHED, Bounds, Space

RECORD, FORMAT = "record.json", 1
COMPLETE, INTERRUPTED = "complete", "interrupted"
_KEYS = {
    "created": str,
    "status": str,
    "settings": dict,
    "data": dict,
    "model": dict,
    "recipes": dict,
    "trials": list,
    "versions": dict,
    "hardware": dict,
}


def new_record(
    settings: dict[str, Any],
    dataset: Dataset,
    model: dict[str, str],
    recipes: dict[str, dict[str, Any]],
    blocks: int | None,
) -> dict[str, Any]:
    """The record of a search that is about to begin.

    Args:
        settings: All that decides what it finds, but the data and the model.
        dataset: The data, with its validation split.
        model: The sha256 of each file of the pretrained model; empty from scratch.
        recipes: The model's default hyperparameters, by what is trained.
        blocks: Of the pretrained encoder, if there is one.
    """
    record = {
        "format": FORMAT,
        "name": "tune",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "status": INTERRUPTED,
        "settings": settings,
        "versions": versions(),
        "hardware": describe_hardware(),
        "data": dataset.describe(),
        "model": model,
        "recipes": {kind: {n: recipe[n] for n in SEARCHED} for kind, recipe in recipes.items()},
        "blocks": blocks,
        "metric": None,
        "trials": [],
        "best": None,
        "test": None,
    }
    return parse_json(json.dumps(record), "the record")  # as it is read again


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a search.

    Raises:
        UserError: There is none, or it is damaged or of another version.
    """
    path = folder / RECORD
    if not path.is_file():
        raise UserError(f"{folder} has no search to go on with: leave --resume out.")
    record = read_json(path)
    if record.get("format") != FORMAT or record.get("name") != "tune":
        raise UserError(f"{path} is no record that this version of kerasformer tune writes.")
    for key, kind in _KEYS.items():
        if not isinstance(record.get(key), kind):
            raise UserError(f"{path} is damaged ({key}): start a new search in another --output.")
    return record


def write_record(record: dict[str, Any], folder: Path) -> None:
    """Writes the record, atomically."""
    with writing(folder / RECORD):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False))


def bounds_of(record: dict[str, Any]) -> Bounds:
    """The bounds of a search.

    Raises:
        UserError: The record is damaged.
    """
    settings = record["settings"]
    try:
        fields = dataclasses.fields(Space)
        space = Space(**{field.name: settings[field.name] for field in fields})
        return space.around(record["recipes"], record["blocks"])
    except UserError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"The record is damaged ({type(error).__name__}: {error}): start a new search."
        ) from None


def refuse_changes(
    record: dict[str, Any], settings: dict[str, Any], dataset: Dataset, model: dict[str, str]
) -> None:
    """Raises a UserError that names what differs from when a search was started."""
    remedy = "give what was given then, or start a new search in another --output"
    before = record["settings"]
    for name, value in parse_json(json.dumps(settings), "the settings").items():
        if before.get(name) != value:
            raise UserError(
                f"{name} was {_told(before.get(name))} when the search was started and is "
                f"{_told(value)} now: {remedy}."
            )
    if gone := sorted(before.keys() - settings.keys()):
        raise UserError(
            f"{gone[0]} was given when the search was started, and is not now: {remedy}."
        )
    now = dataset.describe()
    if record["data"].get("fingerprint") != now["fingerprint"]:
        raise UserError(
            f"The data have changed since the search was started{_change(record['data'], now)}: "
            f"{remedy}."
        )
    names = record["model"].keys() | model
    changed = sorted(name for name in names if record["model"].get(name) != model.get(name))
    if changed:
        raise UserError(
            f"The pretrained model has changed since the search was started, in {joined(changed)}: "
            f"{remedy}."
        )


def _told(value: Any) -> str:
    return "not given" if value is None else plain(value)


def _change(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Where two descriptions of data differ, if that is to be seen in them."""
    for key in ("class_names", "tag_names"):
        if before.get(key) != now.get(key):
            return f", in {key.replace('_', ' ')}"
    splits = before.get("splits")
    for name, split in now["splits"].items():
        was = splits.get(name) if isinstance(splits, dict) else None
        count = was.get("examples") if isinstance(was, dict) else None
        if count != split["examples"]:
            return f" (the {name} split had {count} examples, and has {split['examples']} now)"
    return " (as many examples, but not the same)"
