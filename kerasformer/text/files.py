"""The files of a tokenizer, read as data and checked with errors that name the file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import tokenizers

from kerasformer.errors import UserError
from kerasformer.files import read_json

# What another program writes of a tokenizer, and reads beside or in place of `tokenizer.json`.
REPLACED_FILES = ("vocab.txt", "special_tokens_map.json", "added_tokens.json")


def read_config(folder: Path) -> dict:
    """Reads `tokenizer_config.json`, over the older file that named the special tokens, if any."""
    paths = [folder / name for name in ("special_tokens_map.json", "tokenizer_config.json")]
    older, newer = (read_json(path) if path.exists() else {} for path in paths)
    return older | newer


def find_tokenizer_file(path: Path) -> Path:
    """The `tokenizer.json`, or else the `vocab.txt`, of a folder; or the path, if it is a file."""
    files = [path / "tokenizer.json", path / "vocab.txt"] if path.is_dir() else [path]
    for file in files:
        if file.suffix in (".json", ".txt") and file.is_file():
            return file
    raise UserError(
        f"{path} has no tokenizer: expected a folder with tokenizer.json or vocab.txt, or one of "
        "these files."
    )


def check_vocabulary(
    backend: tokenizers.Tokenizer, tokens: Mapping[str, str], required: Iterable[str], source
) -> dict[str, int]:
    """The id of each token, if they are 0, 1, 2... and the required special tokens are there."""
    ids = backend.get_vocab(with_added_tokens=True)
    if sorted(ids.values()) != list(range(len(ids))):
        raise UserError(
            f"{source} has {len(ids)} different tokens, whose ids must be 0 to {len(ids) - 1}, "
            "each once: a token is missing or repeated."
        )
    for role in required:
        if tokens[role] not in ids:
            raise UserError(
                f"{source} lacks the {role} {tokens[role]!r}: give a complete vocabulary, or the "
                "name that this token has in it."
            )
    unknown, expected = backend.model.unk_token, tokens["unk_token"]
    if unknown != expected or backend.model.token_to_id(unknown) is None:
        raise UserError(
            f"{source} has a model with the unk_token {unknown!r}, but it must be {expected!r}, in "
            "the model's own vocabulary: correct the file, or the tokenizer_config.json beside it."
        )
    return ids
