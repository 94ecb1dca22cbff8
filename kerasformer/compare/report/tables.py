"""The table of arms, as Markdown and as plain text for the terminal."""

import re

from rich.cells import cell_len

from kerasformer.compare.report.summary import (
    ArmSummary,
    count_estimate,
    count_test_examples,
    number_estimate,
    percent_estimate,
    rate_estimate,
    summarize,
)
from kerasformer.compare.report.verdict import Gap, Verdict, judge, rank
from kerasformer.compare.settings import Settings
from kerasformer.formatting import percent, printable, shorten

# Measure, heading, how to write it. Percentages and times are mean ± standard deviation.
QUALITY = (
    ("accuracy", "Accuracy, %", percent_estimate),
    ("precision", "Macro precision, %", percent_estimate),
    ("recall", "Macro recall, %", percent_estimate),
    ("f1", "Macro F1, %", percent_estimate),
)
COST = (
    ("train_seconds", "Training, s", number_estimate),
    ("train_examples_per_second", "Training, examples/s", rate_estimate),
    ("predict_examples_per_second", "Prediction, examples/s", rate_estimate),
    ("latency_ms", "Latency of one text, ms", number_estimate),
    ("peak_memory_mib", "Peak memory, MiB", number_estimate),
    ("trainable_parameters", "Trainable parameters", count_estimate),
    ("total_parameters", "All parameters", count_estimate),
)
_COLUMNS = QUALITY + COST
# What the terminal has room for.
_SHORT_HEADINGS = {
    "accuracy": "accuracy %",
    "f1": "macro F1 %",
    "train_seconds": "train s",
    "latency_ms": "latency ms",
    "peak_memory_mib": "memory MiB",
    "total_parameters": "parameters",
}
_TITLE_WIDTH = 40
_MOST_ERRORS, _ERROR_WIDTH = 3, 100


def behind(arm: ArmSummary, best: ArmSummary, examples: int) -> str:
    """How many points an arm's accuracy is behind the best one's: `"−6.8"`, `"best"`.

    `"≈ −0.4"` is a difference that may be chance, on a test split of this many examples.
    """
    if arm is best:
        return "best"
    gap = Gap.between(best, arm, examples)
    return f"{'≈ ' if gap.is_chance else ''}−{percent(gap.accuracy)}"


def notes(record: dict) -> list[str]:
    """Caveats to read before the numbers: an interrupted, partial or shortened run."""
    sentences = []
    arms, settings = record["arms"], Settings.make(**record["settings"])
    if record["status"] == "interrupted":
        sentences.append("The run was interrupted: what had finished by then is shown.")
    absent = [key for key in settings.arms if not arms.get(key, {}).get("runs")]
    if absent:
        sentences.append(f"No results of: {', '.join(absent)}.")
    short = [
        f"{arm.title} with {len(arm.seeds)}"
        for arm in summarize(record)
        if len(arm.seeds) < len(settings.seeds) and not arm.row.deterministic
    ]
    if short:
        sentences.append(
            f"Not trained with all {len(settings.seeds)} seeds, which are repetitions from other "
            f"random starts: {', '.join(short)}"
            + (
                f". More would have taken longer than {settings.minutes:g} minutes; "
                f"--seeds {len(settings.seeds)} trains them all."
                if settings.minutes is not None and record["status"] == "complete"
                else "."
            )
        )
    if settings.test_limit:
        sentences.append(
            f"Only about {settings.limit:,} examples were used to train, and at most "
            f"{settings.test_limit:,} to test."
        )
    elif settings.limit:
        sentences.append(f"Only about {settings.limit:,} examples were used.")
    if settings.epochs:
        sentences.append(f"Epochs were set to {settings.epochs:,} instead of each arm's default.")
    return sentences


def describe_data(record: dict) -> str:
    """One line on the data: its name, the examples of each split, the number of classes."""
    data = record["data"]
    sizes = ", ".join(f"{split['examples']:,} {name}" for name, split in data["splits"].items())
    return f"{data['name']}: {sizes} examples, {len(data['class_names'])} classes"


def markdown_table(record: dict) -> str:
    """The whole of `table.md`: the verdict, the table of arms, and how to read it."""
    arms, verdict = _judged(record)
    examples = count_test_examples(record)
    parts = [f"# {_escape(describe_data(record))}", f"**{_escape(verdict.headline)}**"]
    parts += [_escape(" ".join(verdict.details))] if verdict.details else []
    parts += [f"> {_escape(note)}" for note in notes(record)]
    if arms:
        best = rank(arms)[0]
        rows = [["Arm", "Seeds", *(heading for _, heading, _ in _COLUMNS), "Behind, points"]]
        rows += [
            [
                _escape(arm.title),
                str(len(arm.seeds)),
                *(write(arm.measures[measure]) for measure, _, write in _COLUMNS),
                behind(arm, best, examples),
            ]
            for arm in arms
        ]
        rows.insert(1, ["---", *["---:"] * (len(rows[0]) - 1)])
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    parts.append(
        "Mean ± standard deviation over seeds, on the test split. ≈ marks a difference that is "
        "within the seed-to-seed spread or the sampling error of the test split."
    )
    return "\n\n".join(parts) + "\n"


def format_summary(record: dict) -> str:
    """The outcome for a terminal: the table of arms, the verdict and some errors.

    Args:
        record: A valid record.

    Returns:
        Plain lines, without colours.
    """
    arms, verdict = _judged(record)
    lines = [printable(describe_data(record)), ""]
    if arms:
        written = [(key, write) for key, _, write in _COLUMNS if key in _SHORT_HEADINGS]
        rows = [["", *_SHORT_HEADINGS.values()]]
        rows += [
            [
                shorten(printable(arm.title), _TITLE_WIDTH),
                *(write(arm.measures[key]) for key, write in written),
            ]
            for arm in arms
        ]
        lines += [*_align(rows), ""]
    sentences = [verdict.headline, *verdict.details, *(f"Note: {note}" for note in notes(record))]
    lines += map(printable, sentences)
    if arms:
        lines += _describe_errors(rank(arms)[0], record["data"]["class_names"])
    return "\n".join(lines)


def _describe_errors(arm, class_names):
    """The errors that an arm was surest of, in a line each."""
    lines = ["", f"Test texts that {printable(arm.title)} got wrong, surest first:"]
    for error in arm.errors[:_MOST_ERRORS]:
        true, predicted = (
            shorten(printable(class_names[error[key]]), 20) for key in ("true", "predicted")
        )
        text = shorten(printable(error["text"]), _ERROR_WIDTH)
        lines.append(f"  {true}, taken for {predicted} ({error['probability']:.0%}): {text}")
    return lines if arm.errors else []


def _judged(record) -> tuple[list[ArmSummary], Verdict]:
    arms = summarize(record)
    return arms, judge(arms, count_test_examples(record))


def _align(rows):
    """Pads the first column to the right and the others to the left."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            " " * (size - cell_len(cell)) + cell if index else cell + " " * (size - cell_len(cell))
            for index, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _escape(text):
    """Text that Markdown shows as it is: no table cell, tag, link or emphasis begins in it."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_|\[\]#~$])", r"\\\1", text)
