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
    one_dimensional = getattr(texts, "ndim", 1) == 1
    if isinstance(texts, (str, bytes, Mapping, Set)) or not one_dimensional:
        raise UserError(f"{name} is a {type(texts).__name__}, but must be a list of str.")
    try:
        texts = list(texts)
    except TypeError:
        raise UserError(f"{name} is {texts!r}, but must be a list of str.") from None
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(
                f"{name}[{index}] is {text!r}, a {type(text).__name__}, but must be a str: "
                "leave it out, or decode it."
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"{name}[{index}] holds half a surrogate pair at character {error.start}, "
                "which is no Unicode text: decode its source again with errors='replace'."
            ) from None
    return texts


def chunks(texts: list[str]) -> Iterator[list[str]]:
    """Consecutive parts of the texts, of about `_CHUNK_CHARACTERS` each.

    Args:
        texts: The texts.

    Yields:
        The parts, none of them empty.
    """
    start = characters = 0
    for end, text in enumerate(texts, 1):
        characters += len(text)
        if characters >= _CHUNK_CHARACTERS or end == len(texts):
            yield texts[start:end]
            start, characters = end, 0
