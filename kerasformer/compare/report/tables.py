"""The table of arms, as Markdown and as plain text for the terminal."""

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
from kerasformer.compare.report.verdict import Gap, judge, rank
from kerasformer.compare.settings import Settings
from kerasformer.formatting import in_markdown, percent, printable, shorten

# Measure, how to write it, heading, and a short heading for what the terminal has room for.
QUALITY = (
    ("accuracy", percent_estimate, "Accuracy, %", "accuracy %"),
    ("precision", percent_estimate, "Macro precision, %", ""),
    ("recall", percent_estimate, "Macro recall, %", ""),
    ("f1", percent_estimate, "Macro F1, %", "macro F1 %"),
)
COST = (
    ("train_seconds", number_estimate, "Training, s", "train s"),
    ("train_examples_per_second", rate_estimate, "Training, examples/s", ""),
    ("predict_examples_per_second", rate_estimate, "Prediction, examples/s", ""),
    ("latency_ms", number_estimate, "Latency of one text, ms", "latency ms"),
    ("peak_memory_mib", number_estimate, "Peak memory, MiB", "memory MiB"),
    ("trainable_parameters", count_estimate, "Trainable parameters", ""),
    ("total_parameters", count_estimate, "All parameters", "parameters"),
)
_COLUMNS = QUALITY + COST
_TITLE_WIDTH = 40
_MOST_ERRORS, _ERROR_WIDTH = 3, 100


def behind(arm: ArmSummary, best: ArmSummary, examples: int) -> str:
    """How many points an arm's accuracy is behind the best: "best", "−6.8", by chance "≈ −0.4"."""
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
        seeds = len(settings.seeds)
        text = f"Not trained with all {seeds} seeds, which are repetitions from other random starts"
        text += f": {', '.join(short)}."
        if settings.minutes is not None and record["status"] == "complete":
            text += f" More would have taken longer than {settings.minutes:g} minutes;"
            text += f" --seeds {seeds} trains them all."
        sentences.append(text)
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
    arms, examples = summarize(record), count_test_examples(record)
    verdict = judge(arms, examples)
    parts = [f"# {in_markdown(describe_data(record))}", f"**{in_markdown(verdict.headline)}**"]
    parts += [in_markdown(" ".join(verdict.details))] if verdict.details else []
    parts += [f"> {in_markdown(note)}" for note in notes(record)]
    if arms:
        best = rank(arms)[0]
        rows = [["Arm", "Seeds", *(column[2] for column in _COLUMNS), "Behind, points"]]
        rows.append(["---", *["---:"] * (len(rows[0]) - 1)])
        for arm in arms:
            cells = _cells(arm, _COLUMNS)
            name, seeds = in_markdown(arm.title), str(len(arm.seeds))
            rows.append([name, seeds, *cells, behind(arm, best, examples)])
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    parts.append(
        "Mean ± standard deviation over seeds, on the test split. ≈ marks a difference that is "
        "within the seed-to-seed spread or the sampling error of the test split."
    )
    return "\n\n".join(parts) + "\n"


def format_summary(record: dict) -> str:
    """The outcome for a terminal, without colours: the table of arms, the verdict, some errors."""
    arms = summarize(record)
    verdict = judge(arms, count_test_examples(record))
    lines = [printable(describe_data(record)), ""]
    if arms:
        columns = [column for column in _COLUMNS if column[3]]
        rows = [["", *(column[3] for column in columns)]]
        for arm in arms:
            rows.append([shorten(printable(arm.title), _TITLE_WIDTH), *_cells(arm, columns)])
        lines += [*_align(rows), ""]
    sentences = [verdict.headline, *verdict.details, *(f"Note: {note}" for note in notes(record))]
    lines += map(printable, sentences)
    if arms and rank(arms)[0].errors:
        lines += _describe_errors(rank(arms)[0], record["data"]["class_names"])
    return "\n".join(lines)


def _cells(arm, columns):
    return [write(arm.measures[measure]) for measure, write, *_ in columns]


def _describe_errors(arm, class_names):
    """The errors that an arm was surest of, in a line each."""
    lines = ["", f"Test texts that {printable(arm.title)} got wrong, surest first:"]
    names = [shorten(printable(name), 20) for name in class_names]
    for error in arm.errors[:_MOST_ERRORS]:
        true, predicted = names[error["true"]], names[error["predicted"]]
        text = shorten(printable(error["text"]), _ERROR_WIDTH)
        lines.append(f"  {true}, taken for {predicted} ({error['probability']:.0%}): {text}")
    return lines


def _align(rows):
    """Pads the first column to the right and the others to the left."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        spaces = [" " * (size - cell_len(cell)) for cell, size in zip(row, widths, strict=True)]
        cells = [space + cell for cell, space in zip(row[1:], spaces[1:], strict=True)]
        yield "  ".join([row[0] + spaces[0], *cells])
