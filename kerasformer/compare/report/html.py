"""The page: everything about one comparison in a single file, with nothing to fetch or run."""

import base64
import shlex
from pathlib import Path

from kerasformer.compare.report.confusion import MOST_WITH_NAMES, most_confused
from kerasformer.compare.report.plots import histories
from kerasformer.compare.report.summary import (
    ArmSummary,
    count_test_examples,
    percent_estimate,
    summarize,
)
from kerasformer.compare.report.tables import COST, QUALITY, behind, notes
from kerasformer.compare.report.verdict import SPREADS_TO_WIN, Verdict, judge, rank
from kerasformer.formatting import multiple, percent, plain, points, shorten
from kerasformer.plots.labels import drawable
from kerasformer.plots.page import environment

_MOST_CLASSES = 20  # rows of the table of classes
_MOST_PAIRS = 10
_MOST_COUNTED = 8  # classes whose examples the table of splits counts one by one
_ANSWERS = {"yes": "Yes", "no": "No", "unclear": "Not clear", "unknown": "No answer"}


def render_page(record: dict, plots: dict[str, bytes]) -> str:
    """The whole of `report.html`.

    Args:
        record: A valid record.
        plots: PNG files by name: `"quality_vs_time"`, `"learning_curves"` and
            `"confusion_matrices"`.

    Returns:
        HTML. Everything that comes from people's data is escaped.
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
        answer=_ANSWERS[verdict.answer],
        tiles=_tiles(verdict),
        notes=notes(record),
        quality_columns=QUALITY,
        cost_columns=COST,
        behind={arm.key: behind(arm, ranked[0], examples) for arm in arms},
        trained=any(arm.key != "majority" for arm in arms),
        has_curves=any(histories(record, arm.key) for arm in arms),
        plots={name: base64.b64encode(image).decode("ascii") for name, image in plots.items()},
        classes=_hardest_classes(ranked, len(record["data"]["class_names"])),
        undrawn=_undrawn(record["data"]["class_names"]),
        confused=most_confused(ranked[0], _MOST_PAIRS) if ranked else [],
        splits=_splits(record["data"]),
        rules=_rules(record["data"]["provenance"]),
        command=_command(record["settings"]),
        spreads_to_win=SPREADS_TO_WIN,
    )


def _tiles(verdict: Verdict) -> list[tuple[str, str]]:
    """The numbers to see first: the lead, and its price in multiples."""
    gap = verdict.gap
    if gap is None:
        return []
    pretrained, other = sorted((gap.leader, gap.other), key=lambda arm: not arm.pretrained)
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
    scores = [entry["f1"].mean if entry["f1"] else 0.0 for entry in ranked[0].per_class]
    hardest = sorted(range(classes), key=lambda number: (scores[number], number))
    return sorted(hardest[:_MOST_CLASSES])


def _undrawn(names: list[str]) -> str:
    """How the plot of confusions labels classes by number: "all", "some" of them, or "none"."""
    if len(names) > MOST_WITH_NAMES:
        return "all"
    return "none" if all(drawable(name, fallback="", limit=80) for name in names) else "some"


def _rules(provenance):
    """How the splits were made, in the words of the data set, if it has any."""
    rules = provenance.get("rules") or []
    return [plain(rule) for rule in rules] if isinstance(rules, list) else [plain(rules)]


def _splits(data):
    """For each split its name, its examples, and how they spread over the classes."""
    for name, split in data["splits"].items():
        counts = split["class_counts"]
        if len(counts) <= _MOST_COUNTED:
            yield name, split["examples"], list(zip(data["class_names"], counts, strict=True))
        else:
            yield name, split["examples"], f"{min(counts):,} to {max(counts):,} a class"


def _command(settings):
    """What runs the same comparison again: a command, or a call where no command can say it."""
    given = {name: value for name, value in settings.items() if value not in (None, False)}
    seeds = given.get("seeds", [])
    if seeds != list(range(len(seeds))):
        arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"kerasformer.compare.compare({arguments})"
    words = ["kerasformer", "compare"]
    for name, value in (given | {"seeds": len(seeds)}).items():
        words.append(f"--{name.replace('_', '-')}")
        words += map(str, value) if isinstance(value, list) else [str(value)]
    return shlex.join(words)
