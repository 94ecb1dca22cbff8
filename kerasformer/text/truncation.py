"""How much of two texts fits into one sequence."""


def longest_first(length: int, pair_length: int, room: int | None) -> tuple[int, int]:
    """How many tokens to keep of each of two texts: the longer one is truncated first.

    Once both are equally long they share the room, and an odd token goes to the longer text, or
    to the second of two that are equally long: as in tokenizers, strategy "longest_first".
    """
    if room is None or length + pair_length <= room:
        return length, pair_length
    shorter = min(length, pair_length, room // 2)
    longer = room - shorter
    return (longer, shorter) if length > pair_length else (shorter, longer)
