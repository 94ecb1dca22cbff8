"""The page: everything about one comparison in a single file, with nothing to fetch or run."""

import base64
from pathlib import Path

from kerasformer.compare.report.confusion import MOST_WITH_NAMES, most_confused
from kerasformer.compare.report.plots import histories, validates
from kerasformer.compare.report.summary import (
    ArmSummary,
    count_test_examples,
    percent_estimate,
    summarize,
)
from kerasformer.compare.report.tables import COST, QUALITY, behind, notes
from kerasformer.compare.report.usage import usage
from kerasformer.compare.report.verdict import SPREADS_TO_WIN, Verdict, judge, rank
from kerasformer.compare.settings import MODELS, Settings
from kerasformer.formatting import multiple, percent, plain, points, shorten
from kerasformer.plots.labels import drawable
from kerasformer.plots.page import environment

_MOST_CLASSES = 20  # rows of the table of classes
_MOST_PAIRS = 10
_MOST_COUNTED = 8  # classes whose examples the table of splits counts one by one


def render_page(record: dict, plots: dict[str, bytes], folder: Path) -> str:
    """The whole of `report.html`, in which everything that comes from people's data is escaped.

    Args:
        record: A valid record.
        plots: PNG files by name: `"quality_vs_time"`, `"learning_curves"`, `"confusion_matrices"`.
        folder: The folder of the comparison.
    """
    pages = environment("compare", Path(__file__).parent)
    pages.filters |= {
        "estimate": percent_estimate,
        "percent": percent,
        "plain": plain,
        "shorten": shorten,
    }
    arms, examples = summarize(record), count_test_examples(record)
    ranked = rank(arms)
    verdict = judge(arms, examples)
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
        classes=_hardest_classes(ranked, len(record["data"]["class_names"])),
        numbered=_are_numbered(record["data"]["class_names"]),
        confused=most_confused(ranked[0], _MOST_PAIRS) if ranked else [],
        splits=_splits(record["data"]),
        rules=record["data"]["provenance"].get("rules", []),
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
    for measure, name in (
        ("train_seconds", "training time"),
        ("latency_ms", "latency of one text"),
        ("peak_memory_mib", "peak memory"),
    ):
        value, base = pretrained.mean(measure), other.mean(measure)
        if value and base:
            tiles.append((multiple(value / base), name))
    return tiles


def _hardest_classes(ranked: list[ArmSummary], classes: int) -> list[int]:
    """The classes to show: all, or those where the best arm's F1 is lowest, in class order."""
    if not ranked:
        return []
    scores = [entry["f1"].mean for entry in ranked[0].per_class]
    hardest = sorted(range(classes), key=lambda number: (scores[number], number))
    return sorted(hardest[:_MOST_CLASSES])


def _are_numbered(names):
    """Whether the plot of confusions shows the numbers of classes in place of names."""
    undrawn = not all(drawable(name, fallback="", limit=80) for name in names)
    return len(names) > MOST_WITH_NAMES or undrawn


def _splits(data):
    """For each split its name, its examples, and how they spread over the classes."""
    for name, split in data["splits"].items():
        counts = split["class_counts"]
        if len(counts) <= _MOST_COUNTED:
            yield name, split["examples"], list(zip(data["class_names"], counts, strict=True))
        else:
            yield name, split["examples"], f"{min(counts):,} to {max(counts):,} a class"
