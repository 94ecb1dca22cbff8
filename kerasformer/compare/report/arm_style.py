"""How the plots tell the arms apart."""

import textwrap

from kerasformer.compare.report.summary import ArmSummary
from kerasformer.plots.labels import drawable

# Colours of Okabe and Ito, which people with any colour vision tell apart; markers say it twice.
COLORS = {
    "majority": "#555555",
    "tfidf": "#E69F00",
    "scratch": "#0072B2",
    "frozen": "#009E73",
    "fine_tuned": "#D55E00",
}
MARKERS = {"majority": "X", "tfidf": "s", "scratch": "^", "frozen": "D", "fine_tuned": "o"}


def arm_label(arm: ArmSummary, line_width: int) -> str:
    """An arm's title on at most two lines, or its key where no font at hand has the title."""
    title = drawable(arm.title, fallback=arm.key, limit=2 * line_width)
    lines = textwrap.wrap(title, line_width, break_on_hyphens=False)
    return "\n".join([lines[0], " ".join(lines[1:])]) if len(lines) > 1 else title
