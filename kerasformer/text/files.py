"""The files of a tokenizer, read as data with errors that name the file, and written."""

import json
from pathlib import Path

import tokenizers

from kerasformer.errors import UserError
from kerasformer.files import write_whole


def read_text(path: Path) -> str:
    """Reads UTF-8 text, with or without a byte order mark, with `\\n` for every line end.

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
    """Reads a JSON object; an empty one where there is no such file.

    Raises:
        UserError: The file is not a JSON object in UTF-8.
    """
    return parse_json(read_text(path), path) if path.exists() else {}


def read_config(folder: Path) -> dict:
    """Reads `tokenizer_config.json`, over the older file that named the special tokens, if any.

    Raises:
        UserError: A file is not a JSON object in UTF-8.
    """
    older = read_json(folder / "special_tokens_map.json")
    return older | read_json(folder / "tokenizer_config.json")


def parse_json(text: str, source: str | Path) -> dict:
    """Parses a JSON object; `source` is its origin, for the error message.

    Raises:
        UserError: The text is not a JSON object.
    """
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{source} is not valid JSON ({error}): save or fetch it again.") from None
    if not isinstance(value, dict):
        raise UserError(f"{source} holds a JSON {type(value).__name__}, but must hold an object.")
    return value


def parse_backend(text: str, source: str | Path) -> tokenizers.Tokenizer:
    """Parses the text of a `tokenizer.json`; `source` is its origin, for the error message.

    Raises:
        UserError: The text is not that of a tokenizer.
    """
    try:
        return tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the library raises Exception itself
        raise UserError(
            f"{source} is damaged, or not a file of the tokenizers library ({error})."
        ) from None


def find_tokenizer_file(path: Path) -> Path:
    """The `tokenizer.json`, or else the `vocab.txt`, of a folder; or the path, if it is a file.

    Raises:
        UserError: There is neither.
    """
    files = [path / "tokenizer.json", path / "vocab.txt"] if path.is_dir() else [path]
    for file in files:
        if file.suffix in (".json", ".txt") and file.is_file():
            return file
    raise UserError(
        f"{path} has no tokenizer: expected a folder with tokenizer.json or vocab.txt, or one of "
        "these files."
    )


def write_tokenizer(folder: Path, backend: tokenizers.Tokenizer, config: dict):
    """Writes `tokenizer.json` and `tokenizer_config.json`, each atomically.

    Raises:
        UserError: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(config, ensure_ascii=False, indent=2)
        write_whole(folder / "tokenizer_config.json", text + "\n")
        write_whole(folder / "tokenizer.json", backend.to_str())
    except OSError as error:
        raise UserError(
            f"Cannot save to {folder} ({error.strerror or error}): give a writable folder."
        ) from None
