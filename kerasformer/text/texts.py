"""The texts that a person gives: checked, and cut into parts of a bounded size."""

from collections.abc import Iterator, Mapping, Set

from ..errors import UserError

_CHUNK_CHARACTERS = 1_000_000  # encoded at a time: bounds the memory, and keeps every core busy


def check_texts(texts, name: str = "texts") -> list[str]:
    """The texts as a list, each of them a str that UTF-8 can hold.

    Args:
        texts: The texts: a list, a tuple, a one-dimensional array or another iterable of str.
        name: What error messages call them.

    Returns:
        The texts.

    Raises:
        UserError: They are one text, or no texts; the message names the first that is no str.
    """
    texts = list(check_iterable(texts, name))
    for index, text in enumerate(texts):
        check_text(text, f"{name}[{index}]")
    return texts


def check_iterable(texts, name: str) -> Iterator:
    """An iterator over texts that come one by one; they themselves are not checked.

    Args:
        texts: As for `check_texts`.
        name: What error messages call them.

    Returns:
        The iterator.

    Raises:
        UserError: They are one text, or no texts.
    """
    one_dimensional = getattr(texts, "ndim", 1) == 1
    if isinstance(texts, (str, bytes, Mapping, Set)) or not one_dimensional:
        raise UserError(f"{name} is a {type(texts).__name__}, but must be a list of str.")
    try:
        return iter(texts)
    except TypeError:
        raise UserError(f"{name} is {texts!r}, but must be a list of str.") from None


def check_text(text, name: str) -> str:
    """The text, if it is a str that UTF-8 can hold.

    Args:
        text: The text.
        name: What the error message calls it.

    Returns:
        The text.

    Raises:
        UserError: It is no str, or no Unicode text.
    """
    if not isinstance(text, str):
        raise UserError(
            f"{name} is {text!r}, a {type(text).__name__}, but must be a str: "
            "leave it out, or decode it."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{name} holds half a surrogate pair at character {error.start}, "
            "which is no Unicode text: decode its source again with errors='replace'."
        ) from None
    return text


def chunks(texts: list) -> Iterator[list]:
    """Consecutive parts of the texts, of about `_CHUNK_CHARACTERS` each.

    Args:
        texts: The texts, or lists of words.

    Yields:
        The parts, none of them empty.
    """
    start = characters = 0
    for end, text in enumerate(texts, 1):
        characters += len(text) if isinstance(text, str) else sum(map(len, text))
        if characters >= _CHUNK_CHARACTERS or end == len(texts):
            yield texts[start:end]
            start, characters = end, 0
