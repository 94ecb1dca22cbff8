"""Reading `record.json`."""

from pathlib import Path

from kerasformer.compare.report.findings import Findings
from kerasformer.compare.report.tables import label_rows, notes, option_rows
from kerasformer.errors import UserError
from kerasformer.files import read_json

FORMAT = 3
_KEYS = ("arms", "created", "data", "hardware", "settings", "status", "versions")


def load_record(path) -> dict:
    """Reads and validates the record of a comparison.

    Args:
        path: A `record.json`, or the folder that holds it.

    Raises:
        UserError: The file is missing, is not JSON, or is damaged.
    """
    path = Path(path)
    if not path.is_file() and path.name != "record.json":
        path = path / "record.json"
    record = read_json(path)
    validate_record(record)
    return record


def validate_record(record: dict) -> Findings:
    """Checks that a record has this version's format and that its runs can be read.

    Returns:
        What it says.

    Raises:
        UserError: It has another format, lacks a key, or is damaged.

    Example:

    >>> validate_record({"format": 1})
    Traceback (most recent call last):
    ...
    kerasformer.errors.UserError: The record has format 1, and this version of kerasformer reads \
format 3: use the version that wrote it.
    """
    if "format" not in record:
        raise UserError("The record has no format: give one that kerasformer compare wrote.")
    if record["format"] != FORMAT:
        raise UserError(
            f"The record has format {record['format']!r:.20}, and this version of kerasformer "
            f"reads format {FORMAT}: use the version that wrote it."
        )
    missing = [key for key in _KEYS if key not in record]
    if missing:
        raise UserError(
            f"The record lacks {', '.join(missing)}: run kerasformer compare again to write it."
        )
    try:
        findings = Findings(record)
        option_rows(findings)
        label_rows(findings)
        notes(findings)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"The record is damaged ({type(error).__name__}: {error}): run kerasformer compare "
            "again to write it."
        ) from error
    return findings
