"""A vocabulary: its file, one token a line, and the ids of its tokens."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import tokenizers

from kerasformer.errors import UserError
from kerasformer.files import read_text


def read_vocabulary(path: Path) -> dict[str, int]:
    """The ids of the tokens of a `vocab.txt`, as the `tokenizers` library reads it.

    Spaces at the end of a line do not count, nor do empty lines at the end of the file, nor a byte
    order mark. Of a token in several lines the last one counts.

    Raises:
        UserError: The file cannot be read, is empty, or has a carriage return within a line.
    """
    lines = read_text(path).split("\n")  # not splitlines(): a token may be another line separator
    content = path.read_bytes()
    odd = re.search(rb"\r(?![\r\n])(?!$)", content)
    if odd:
        line = content.count(b"\n", 0, odd.start()) + 1
        raise UserError(
            f"{path} has a carriage return within line {line}, where other readers see no new "
            "line: save it with \\n at the end of each token."
        )
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise UserError(f"{path} is empty: expected one token a line, [PAD] and [UNK] included.")
    return complete({line.rstrip() or line: number for number, line in enumerate(lines)}, path)


def complete(ids: Mapping[str, int], source: object) -> dict[str, int]:
    """The ids, with an unused token for each one that is left out: every id has its token.

    Ids are left out where a token was in two lines of a file.

    Raises:
        UserError: Two tokens have one id, or more ids are left out than there are tokens.

    >>> complete({"a": 1, "b": 2}, "vocab.txt")
    {'a': 1, 'b': 2, '[unused:0]': 0}
    """
    highest = max(ids.values(), default=-1)
    if len(set(ids.values())) < len(ids) or highest >= 2 * len(ids):
        raise UserError(
            f"{source} has {len(ids)} different tokens, whose ids must be 0 to {len(ids) - 1}, "
            "each once: a token is missing or repeated."
        )
    left_out = sorted(set(range(highest + 1)).difference(ids.values()))
    # No text becomes such a token: a word ends before a bracket.
    return {**ids, **{f"[unused:{number}]": number for number in left_out}}


def number_tokens(tokens: Iterable[str], source: object) -> dict[str, int]:
    """The id of each of some tokens, which is its place.

    Raises:
        UserError: There is none, or one is not a str or is there twice.
    """
    ids: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if not isinstance(token, str):
            raise UserError(f"{source} has {token!r} at {number}, but every token must be a str.")
        if token in ids:
            raise UserError(
                f"{source} has {token!r} twice, at {ids[token]} and {number}: each token must be "
                "there once."
            )
        ids[token] = number
    if not ids:
        raise UserError(f"{source} is empty: expected the tokens, [PAD] and [UNK] included.")
    return ids


def usual_token(role: str) -> str:
    """BERT's token of a role.

    >>> usual_token("pad_token")
    '[PAD]'
    """
    return f"[{role.removesuffix('_token').upper()}]"


def check_vocabulary(
    backend: tokenizers.Tokenizer, tokens: Mapping[str, str], optional: Iterable[str], source
) -> dict[str, int]:
    """The id of each token, if they are 0, 1, 2... and the special tokens are there.

    An optional one may be missing under its usual name alone: the vocabulary has none.
    """
    ids = backend.get_vocab(with_added_tokens=True)
    if sorted(ids.values()) != list(range(len(ids))):
        raise UserError(
            f"{source} has {len(ids)} different tokens, whose ids must be 0 to {len(ids) - 1}, "
            "each once: a token is missing or repeated."
        )
    for role, token in tokens.items():
        if token not in ids and (role not in optional or token != usual_token(role)):
            raise UserError(
                f"{source} lacks the {role} {token!r}: give a complete vocabulary, or the "
                "name that this token has in it."
            )
    unknown, expected = backend.model.unk_token, tokens.get("unk_token")
    if expected is None:  # of a model of bytes, which knows them all
        return ids
    if unknown != expected or backend.model.token_to_id(unknown) is None:
        raise UserError(
            f"{source} has a model with the unk_token {unknown!r}, but it must be {expected!r}, in "
            "the model's own vocabulary: correct the file, or the tokenizer_config.json beside it."
        )
    return ids
