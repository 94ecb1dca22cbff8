"""Numbers and names as people read them."""

import math
import re
from collections.abc import Iterable

MISSING = "–"


def percent(share: float) -> str:
    """A share in percent, one decimal; what rounds to zero has no sign.

    >>> percent(0.83412), percent(-0.0001)
    ('83.4', '0.0')
    """
    return f"{100 * share:z.1f}"


def points(share: float, digits: int = 1) -> str:
    """A difference of shares, in percentage points.

    >>> points(0.0678), points(0.01), points(0.0004)
    ('6.8 points', '1.0 point', 'less than 0.1 points')
    """
    value = f"{100 * share:.{digits}f}"
    if share > 0 and float(value) == 0:
        return f"less than {10**-digits:g} points"
    return f"{value} point{'' if float(value) == 1 else 's'}"


def number(value: float) -> str:
    """A number with three significant digits, two decimals at most, or whole from a hundred on.

    >>> number(0.0004), number(1.5), number(12.34), number(123456.7), number(0)
    ('<0.01', '1.50', '12.3', '123,457', '0')
    """
    return "<0.01" if 0 < value < 0.01 else f"{value:,.{decimals(value)}f}"


def seconds(value: float) -> str:
    """A time in seconds.

    >>> seconds(2.04), seconds(0.0004)
    ('2.04 s', '<0.01 s')
    """
    return f"{number(value)} s"


def multiple(ratio: float) -> str:
    """How many times as much.

    >>> multiple(90.2), multiple(2.14), multiple(0.031), multiple(1.0)
    ('90 times', '2.1 times', '0.031 times', '1.0 times')
    """
    if ratio >= 10:
        return f"{ratio:,.0f} times"
    return f"{ratio:.1f} times" if ratio >= 0.1 else f"{ratio:.2g} times"


def count(value: float) -> str:
    """A number of things, in thousands, millions or billions where it is large.

    >>> count(22713216), count(649000), count(12)
    ('22.7 M', '649 K', '12')
    """
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " K")):
        if value >= size:
            return f"{number(value / size)}{unit}"
    return f"{value:.0f}"


def plain(value) -> str:
    """A setting or a fact, whatever its type, as one line of text.

    >>> plain({"rate": 5e-05, "units": [32, 2], "dropout": None})
    'rate: 5e-05; units: 32, 2; dropout: –'
    """
    if isinstance(value, dict):
        return "; ".join(f"{key}: {plain(item)}" for key, item in value.items()) or MISSING
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return MISSING if value is None else str(value)


def joined(parts: list[str]) -> str:
    """Parts of a sentence, with commas and a last "and".

    >>> joined(["a", "b", "c"]), joined(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def listed(names: Iterable, most: int = 20) -> str:
    """Names with commas, of which a message has room for some.

    >>> listed("abc"), listed("abcd", most=2)
    ('a, b, c', 'a, b and 2 more')
    """
    names = list(map(str, names))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def shorten(text: str, limit: int) -> str:
    """A text of at most `limit` characters, with an ellipsis in its middle.

    >>> shorten("a-very-long-class-name", 10)
    'a-ver…name'
    """
    if len(text) <= limit:
        return text
    kept = limit - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def readable(text: str) -> str:
    r"""A text with escapes for what does not show: control, zero-width, lone and other characters.

    >>> readable("a\x1b[31m\u200bb\n é 体")
    'a\\x1b[31m\\u200bb\\n é 体'
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )


def printable(text: str) -> str:
    """A text on one line, without the control characters that could steer a terminal.

    >>> printable("a\\x1b[31m\\nb")
    'a�[31m b'
    """
    text = " ".join(text.split())
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def in_markdown(text: str) -> str:
    r"""A text on one line that Markdown shows as it is: without cells, tags, links and emphasis.

    >>> print(in_markdown("a|b <script> *c*\n# d"))
    a\|b &lt;script> \*c\* \# d
    """
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_|\[\]#~$])", r"\\\1", text)


def decimals(value: float) -> int:
    """The decimals that leave three significant digits, two at most."""
    return 0 if value == 0 else min(2, max(0, 2 - math.floor(math.log10(abs(value)))))
