"""The tokenizer that belongs to a model of Google's, by its vocabulary's file."""

import re
from pathlib import Path

from kerasformer.text import WordPieceTokenizer
from kerasformer.text.files import read_text


def read_vocabulary(path: Path, lowercase: bool | None = None) -> WordPieceTokenizer:
    """Makes the tokenizer of a `vocab.txt`.

    Google's models have been told on the command line whether to lower-case. Where it is not known,
    it is by whether the vocabulary itself is in lower case: in a cased one, capital letters are
    among the first tokens.

    Args:
        path: The file.
        lowercase: Whether to lower-case the text; by default as the vocabulary is.

    Raises:
        UserError: The file cannot be read or is no vocabulary of BERT's.

    Example:

    >>> path = getfixture("tmp_path") / "vocab.txt"
    >>> _ = path.write_text("[PAD]\\n[UNK]\\n[CLS]\\n[SEP]\\ngood\\n")
    >>> read_vocabulary(path).tokens(["Good"])
    [['good']]
    """
    if lowercase is None:
        words = (word for word in read_text(path).split("\n") if not re.fullmatch(r"\[.*\]", word))
        lowercase = all(word == word.lower() for word in words)
    return WordPieceTokenizer.from_vocabulary(path, lowercase)
