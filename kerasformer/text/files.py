"""The settings of a tokenizer."""

from pathlib import Path

from ..files import read_json


def read_config(folder: Path) -> dict:
    """Reads `tokenizer_config.json`, over the older file that named the special tokens.

    Args:
        folder: The folder of the files, each of which may be missing.

    Returns:
        The settings.

    Raises:
        UserError: A file is not a JSON object in UTF-8.
    """
    paths = [folder / name for name in ("special_tokens_map.json", "tokenizer_config.json")]
    older, newer = (read_json(path) if path.exists() else {} for path in paths)
    return older | newer
