"""Labels that matplotlib can draw: it has one plain font, and neither bidi nor shaping."""

import functools
import unicodedata

from kerasformer.errors import require
from kerasformer.formatting import shorten

# Fonts with Chinese, Japanese or Korean glyphs that systems bring; matplotlib's own has none.
_CJK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans",
    "Hiragino Sans GB",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
)


@functools.cache
def font_families() -> tuple[str, ...]:
    """The fonts to draw with, in order: matplotlib's own, then what CJK fonts there are."""
    manager = require("matplotlib.font_manager", extra="compare").fontManager
    installed = {font.name for font in manager.ttflist}
    return ("DejaVu Sans", *(name for name in _CJK_FONTS if name in installed))


def drawable(text: str, fallback: str, limit: int) -> str:
    """The text, shortened to `limit` characters, or the fallback if a plot cannot draw it.

    Text from right to left, in a script that needs shaping, or without a glyph in the fonts at
    hand would come out wrong or as empty boxes. The page beside the plot shows it in full.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not text or any(map(_needs_shaping, text)) or not set(map(ord, text)) <= _glyphs():
        return fallback
    return shorten(text, limit)


@functools.cache
def _glyphs():
    """Every character, as a number, that the fonts have."""
    manager = require("matplotlib.font_manager", extra="compare")
    files = {manager.findfont(family) for family in font_families()}
    return frozenset().union(*(manager.get_font(file).get_charmap() for file in files))


def _needs_shaping(character):
    right_to_left = unicodedata.bidirectional(character) in ("R", "AL", "RLE", "RLO", "RLI")
    return right_to_left or unicodedata.category(character) in ("Mn", "Mc", "Cc", "Cf")
