"""Whether a vocabulary is of lower-cased text, where no file of the tokenizer says it."""

import re
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path

# The folders of Google's releases, on TF Hub too: uncased_L-12_H-768_A-12, wwm_cased_L-24...,
# multi_cased_L-12..., bert_zh_L-12.... Source: validate_case_matches_checkpoint in tokenization.py
# of https://github.com/google-research/bert.
_RELEASE = re.compile(
    r"(?:^|[_-])(?:(?P<lower>uncased|multilingual|chinese|zh)|cased)(?:[_-]wwm|[_-]preprocess)?[_-]L-\d",
    re.IGNORECASE,
)


def of_release(folder: Path) -> bool | None:
    """Whether one of Google's releases lower-cases, by the name of its folder; None of others.

    >>> of_release(Path("uncased_L-12_H-768_A-12")), of_release(Path("bert_zh_L-12_H-768_A-12/4"))
    (True, True)
    >>> of_release(Path("multi_cased_L-12_H-768_A-12")), of_release(Path("model"))
    (False, None)
    """
    for name in reversed(folder.parts[-3:]):
        match = _RELEASE.search(name)
        if match:
            return match["lower"] is not None
    return None


def guess(tokens: Iterable[str], source: object) -> tuple[bool, bool | None]:
    """Whether to lower-case and to strip accents, by the tokens; warns that it is a guess.

    Latin words alone say something of case: without one that has a capital letter the vocabulary is
    lower-cased. Without any Latin word it is left as it is. Accents are stripped where text is
    lower-cased, as in BERT, unless the vocabulary itself has some.
    """
    tokens = [token.removeprefix("##") for token in tokens if not _is_special(token)]
    words = [token for token in tokens if _is_latin(token)]
    lowercase = bool(words) and all(word == word.lower() for word in words)
    strips = lowercase and not any(map(_has_accent, tokens))
    found = "are lower-cased" if lowercase else "keep their case"
    warnings.warn(
        f"Nothing beside {source} says whether its model is cased: by its {len(words):,} Latin "
        f"words, texts {found}{' and lose their accents' if strips else ''}.",
        stacklevel=3,
    )
    return lowercase, None if strips == lowercase else strips  # BERT: where it lower-cases


def _is_special(token: str) -> bool:
    return re.fullmatch(r"\[.*\]|<.*>", token, re.DOTALL) is not None


def _is_latin(token: str) -> bool:
    return token.isalpha() and all("LATIN" in unicodedata.name(c, "") for c in token)


def _has_accent(token: str) -> bool:
    parts = unicodedata.normalize("NFD", token)
    return parts != token or any(unicodedata.category(c) == "Mn" for c in parts)
