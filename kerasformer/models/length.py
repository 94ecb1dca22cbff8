"""The most tokens of a text: one rule for the classifier and the embedder."""

from typing import Any

from kerasformer.errors import UserError
from kerasformer.layers.arguments import check_sizes


def choose_max_length(given: int | None, tokenizer: Any, positions: int) -> int:
    """Those given, or as many as both the tokenizer and the encoder take.

    Args:
        given: A whole number that a person gave, or None.
        tokenizer: Its `max_length`, where it has one, is the default.
        positions: The most that the encoder takes.

    Raises:
        UserError: More were given than the encoder takes.

    Example:

    >>> choose_max_length(None, None, positions=512), choose_max_length(128, None, positions=512)
    (512, 128)
    """
    if given is None:
        return min(getattr(tokenizer, "max_length", None) or positions, positions)
    check_sizes(max_length=given)
    if given > positions:
        raise UserError(
            f"max_length is {given}, but the encoder takes texts of at most {positions} tokens: "
            "give as many or fewer."
        )
    return int(given)
