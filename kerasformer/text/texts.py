"""Texts from the user: checked, and split into chunks."""

from collections.abc import Iterable, Iterator, Mapping, Set

from kerasformer.errors import UserError

# Bytes of UTF-8, a long novel: tokenizing takes from 100 to 450 times as much memory.
LONGEST_TEXT = 1 << 21
_CHUNK_CHARACTERS = 1_000_000  # encoded at a time: bounds the memory, and keeps every core busy


def check_texts(texts: Iterable[str], name: str = "texts") -> list[str]:
    """The texts as a list, each a str that UTF-8 can hold; `name` is theirs in error messages."""
    texts = list(check_iterable(texts, name))
    for index, text in enumerate(texts):
        check_text(text, f"{name}[{index}]")
    return texts


def check_iterable(texts: Iterable, name: str) -> Iterator:
    """An iterator over what are neither a single text nor no texts, to be checked one by one."""
    one_dimensional = getattr(texts, "ndim", 1) == 1
    if isinstance(texts, (str, bytes, Mapping, Set)) or not one_dimensional:
        raise UserError(f"{name} is a {type(texts).__name__}, but must be a list of str.")
    try:
        return iter(texts)
    except TypeError:
        raise UserError(f"{name} is {texts!r}, but must be a list of str.") from None


def check_text(text: str, name: str) -> str:
    """The text, if it is a str that UTF-8 can hold, and no longer than `LONGEST_TEXT`."""
    if not isinstance(text, str):
        raise UserError(
            f"{name} is {text!r}, a {type(text).__name__}, but must be a str: "
            "leave it out, or decode it."
        )
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise UserError(
            f"{name} holds half a surrogate pair at character {error.start}, "
            "which is not valid Unicode: decode its source again with errors='replace'."
        ) from None
    if size > LONGEST_TEXT:
        raise too_long(name)
    return text


def too_long(name: str) -> UserError:
    """The error for a text longer than `LONGEST_TEXT`; `name` says which."""
    return UserError(
        f"{name} is a text of more than {LONGEST_TEXT >> 20} MiB: divide it into shorter texts."
    )


def chunks(texts: list) -> Iterator[list]:
    """Consecutive parts of about `_CHUNK_CHARACTERS` each of texts, or of lists of words."""
    start = characters = 0
    for end, text in enumerate(texts, 1):
        characters += len(text) if isinstance(text, str) else sum(map(len, text))
        if characters >= _CHUNK_CHARACTERS or end == len(texts):
            yield texts[start:end]
            start, characters = end, 0
