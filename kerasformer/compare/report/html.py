"""The page: everything about one comparison in a single file, with nothing to fetch or run."""

import base64
from pathlib import Path

from kerasformer.compare.report.chance import LEAST_SEEDS, SIGNIFICANT, SPREADS_TO_WIN
from kerasformer.compare.report.confusion import MOST_WITH_NAMES, most_confused
from kerasformer.compare.report.findings import Findings
from kerasformer.compare.report.label_curve import QUESTION, about, has_spread
from kerasformer.compare.report.plots import describe_curves, histories, validates
from kerasformer.compare.report.program import can_be_kept, kept_model, usage
from kerasformer.compare.report.summary import percent_estimate
from kerasformer.compare.report.tables import (
    ABOUT_TABLE_7,
    TABLE_7,
    behind,
    cost_columns,
    describe_labels,
    label_rows,
    notes,
    option_rows,
    quality_columns,
)
from kerasformer.compare.report.verdict import costs
from kerasformer.compare.settings import Settings
from kerasformer.formatting import multiple, percent, plain, points, shorten
from kerasformer.plots.labels import drawable
from kerasformer.plots.page import environment

_MOST_CLASSES = 20  # rows of the table of classes
_MOST_NAMED = 8  # classes whose names and numbers stand in a line
_MOST_PAIRS = 10


def render_page(findings: Findings, plots: dict[str, bytes], folder: Path) -> str:
    """The whole of `report.html`, with the PNG files by their names, all of it escaped."""
    pages = environment("compare", Path(__file__).parent)
    pages.filters.update(estimate=percent_estimate, percent=percent, plain=plain, shorten=shorten)
    record, arms, best, quality = findings.record, findings.arms, findings.best, findings.quality
    return pages.get_template("report.html.j2").render(
        record=record,
        data=record["data"],
        labels=describe_labels(record["data"]),
        names=_names(record["data"]),
        quality=quality,
        arms=arms,
        best=best,
        verdict=findings.verdict,
        tiles=_tiles(findings),
        notes=notes(findings),
        quality_columns=quality_columns(quality),
        cost_columns=cost_columns(quality),
        behind={arm.key: behind(findings, arm) for arm in arms},
        label_rows=label_rows(findings),
        label_question=QUESTION,
        about_labels=about(findings.label_curve),
        labels_have_spread=has_spread(findings.label_curve),
        enough_labels=findings.enough_labels,
        table_7=TABLE_7,
        options=option_rows(findings),
        about_options=ABOUT_TABLE_7,
        trained=any(arm.row.learns for arm in arms),
        has_curves=any(histories(record, arm.key) for arm in arms),
        about_curves=describe_curves(findings),
        has_validation=any(validates(record, arm.key) for arm in arms),
        plots={name: base64.b64encode(image).decode("ascii") for name, image in plots.items()},
        split_rows=_split_rows(record["data"]),
        **(_classes(findings) if quality.has_classes else {}),
        command=Settings.make(**record["settings"]).command(),
        usage=usage(findings, folder),
        kept=kept_model(findings, folder) is not None,
        can_be_kept=best is not None and can_be_kept(best),
        spreads_to_win=SPREADS_TO_WIN,
        least_seeds=LEAST_SEEDS,
        significant=SIGNIFICANT,
    )


def _tiles(findings: Findings) -> list[tuple[str, str]]:
    """The numbers to see first: the lead, and its price in multiples."""
    gap = findings.verdict.gap
    if gap is None:
        return []
    pretrained, other = sorted((gap.leader, gap.other), key=lambda arm: not arm.row.pretrained)
    sign = "" if percent(gap.lead) == "0.0" else "+" if gap.leader is pretrained else "−"
    main = findings.quality.metrics[0].within_text
    tiles = [(f"{sign}{points(gap.lead)}", f"{main} with pretraining")]
    tiles += [(multiple(ratio), name) for name, ratio, _ in costs(pretrained, other)]
    return tiles[:4]


def _classes(findings: Findings) -> dict:
    """What the page shows of single classes."""
    best, names = findings.best, findings.record["data"]["class_names"]
    scores = [scores["f1"].mean for scores in best.per_class] if best else []
    hardest = sorted(range(len(scores)), key=scores.__getitem__)
    return {
        "classes": sorted(hardest[:_MOST_CLASSES]),
        "numbered": len(names) > MOST_WITH_NAMES
        or not all(drawable(name, "", 80) for name in names),
        "confused": most_confused(best, _MOST_PAIRS) if best else [],
    }


def _split_rows(data: dict) -> list[list[str]]:
    """A table of what is in each split, its headings first."""
    names, kinds = _names(data), list(data["splits"]["test"])
    rows = [["Split", *(kind.replace("_", " ").capitalize() for kind in kinds)]]
    for name, split in data["splits"].items():
        values = [split[kind] for kind in kinds]
        cells = [f"{v:,}" if isinstance(v, int) else _describe_counts(names, v) for v in values]
        rows.append([name, *cells])
    return rows


def _names(data: dict) -> list[str]:
    """The names of the classes or tags, where the data has any."""
    return data.get("class_names", data.get("tag_names", []))


def _describe_counts(names: list[str], counts: list[int]) -> str:
    """How many there are of each name, if they are few.

    >>> _describe_counts(["good", "bad"], [1200, 3])
    'good: 1,200; bad: 3'
    """
    if len(counts) > _MOST_NAMED:
        return f"{min(counts):,} to {max(counts):,} each"
    return "; ".join(f"{shorten(n, 80)}: {c:,}" for n, c in zip(names, counts, strict=True))
