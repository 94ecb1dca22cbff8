"""The files of a tokenizer, read as data with errors that name the file."""

import json
from pathlib import Path

from ..errors import UserError


def read_text(path: Path) -> str:
    """Reads a file of UTF-8 text, with or without a byte order mark.

    Args:
        path: The file.

    Returns:
        Its text, with `\\n` for every line end.

    Raises:
        UserError: The file is missing, cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8, or fetch it again."
        ) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): give the path of a tokenizer's file."
        ) from None


def read_json(path: Path) -> dict:
    """Reads a JSON object from a file.

    Args:
        path: The file.

    Returns:
        The object; an empty one if there is no such file.

    Raises:
        UserError: The file is there, but is not a JSON object in UTF-8.
    """
    return parse_json(read_text(path), path) if path.exists() else {}


def read_config(folder: Path) -> dict:
    """Reads `tokenizer_config.json`, over the older file that named the special tokens.

    Args:
        folder: The folder of the files, each of which may be missing.

    Returns:
        The settings.

    Raises:
        UserError: A file is not a JSON object in UTF-8.
    """
    older = read_json(folder / "special_tokens_map.json")
    return older | read_json(folder / "tokenizer_config.json")


def parse_json(text: str, source) -> dict:
    """Parses a JSON object.

    Args:
        text: The JSON text.
        source: Where it came from, for the error message.

    Returns:
        The object.

    Raises:
        UserError: The text is not a JSON object.
    """
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{source} is not whole JSON ({error}): save or fetch it again.") from None
    if not isinstance(value, dict):
        raise UserError(f"{source} holds a JSON {type(value).__name__}, but must hold an object.")
    return value
