"""The files of a tokenizer, read as data with errors that name the file, and written."""

import json
from pathlib import Path

import tokenizers

from kerasformer.errors import UserError
from kerasformer.files import read_json, write_whole


def read_config(folder: Path) -> dict:
    """Reads `tokenizer_config.json`, over the older file that named the special tokens, if any.

    Raises:
        UserError: A file is not a JSON object in UTF-8.
    """
    paths = [folder / name for name in ("special_tokens_map.json", "tokenizer_config.json")]
    older, newer = (read_json(path) if path.exists() else {} for path in paths)
    return older | newer


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
