"""The page: everything about one comparison in a single file, with nothing to fetch or run."""

import base64
from pathlib import Path

from kerasformer.compare.report.plots import MOST_WITH_NAMES, histories, most_confused, validates
from kerasformer.compare.report.summary import count_test_examples, percent_estimate, summarize
from kerasformer.compare.report.tables import COST, QUALITY, behind, notes
from kerasformer.compare.report.usage import usage
from kerasformer.compare.report.verdict import COSTS, SPREADS_TO_WIN, Verdict, judge, rank
from kerasformer.compare.settings import MODELS, Settings
from kerasformer.formatting import multiple, percent, plain, points, shorten
from kerasformer.plots.labels import drawable
from kerasformer.plots.page import environment

_MOST_CLASSES = 20  # rows of the table of classes
_MOST_PAIRS = 10


def render_page(record: dict, plots: dict[str, bytes], folder: Path) -> str:
    """The whole of `report.html`, with the PNG files by their names, all of it escaped."""
    pages = environment("compare", Path(__file__).parent)
    pages.filters.update(estimate=percent_estimate, percent=percent, plain=plain, shorten=shorten)
    arms, examples = summarize(record), count_test_examples(record)
    ranked, names = rank(arms), record["data"]["class_names"]
    verdict = judge(arms, examples)
    scores = [scores["f1"].mean for scores in ranked[0].per_class] if ranked else []
    hardest = sorted(range(len(scores)), key=scores.__getitem__)
    return pages.get_template("report.html.j2").render(
        record=record,
        data=record["data"],
        arms=arms,
        best=ranked[0] if ranked else None,
        verdict=verdict,
        tiles=_tiles(verdict),
        notes=notes(record),
        quality_columns=QUALITY,
        cost_columns=COST,
        behind={arm.key: behind(arm, ranked[0], examples) for arm in arms},
        trained=any(arm.row.learns for arm in arms),
        has_curves=any(histories(record, arm.key) for arm in arms),
        has_validation=any(validates(record, arm.key) for arm in arms),
        plots={name: base64.b64encode(image).decode("ascii") for name, image in plots.items()},
        classes=sorted(hardest[:_MOST_CLASSES]),
        numbered=len(names) > MOST_WITH_NAMES or not all(drawable(name, "", 80) for name in names),
        confused=most_confused(ranked[0], _MOST_PAIRS) if ranked else [],
        command=Settings.make(**record["settings"]).command(),
        usage=usage(record, folder),
        kept=bool(ranked) and (folder / MODELS / ranked[0].key).is_dir(),
        spreads_to_win=SPREADS_TO_WIN,
    )


def _tiles(verdict: Verdict) -> list[tuple[str, str]]:
    """The numbers to see first: the lead, and its price in multiples."""
    gap = verdict.gap
    if gap is None:
        return []
    pretrained, other = sorted((gap.leader, gap.other), key=lambda arm: not arm.row.pretrained)
    sign = "+" if gap.leader is pretrained else "−"
    tiles = [(f"{sign}{points(gap.accuracy)}", "accuracy with pretraining")]
    for measure, name, _ in COSTS[:3]:
        value, base = pretrained.mean(measure), other.mean(measure)
        if value and base:
            tiles.append((multiple(value / base), name))
    return tiles
