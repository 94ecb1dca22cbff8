"""The table of arms, as Markdown and as plain text for the terminal."""

from rich.cells import cell_len

from kerasformer.compare.quality import Quality
from kerasformer.compare.report.findings import Findings
from kerasformer.compare.report.label_curve import QUESTION, about
from kerasformer.compare.report.options import layer_options
from kerasformer.compare.report.summary import (
    ArmSummary,
    count_estimate,
    number_estimate,
    percent_estimate,
    rate_estimate,
)
from kerasformer.compare.settings import BEFORE_LIMIT, Settings
from kerasformer.formatting import MISSING, in_markdown, joined, percent, printable, shorten

# Measure, how to write it, heading, and a short heading for what the terminal has room for.
COST = (
    ("train_seconds", number_estimate, "Training, s", "train s"),
    ("train_examples_per_second", rate_estimate, "Training, {examples}/s", ""),
    ("predict_examples_per_second", rate_estimate, "Prediction, {examples}/s", ""),
    ("latency_ms", number_estimate, "Latency of one {example}, ms", "latency ms"),
    ("peak_memory_mib", number_estimate, "Peak memory, MiB", "memory MiB"),
    ("trainable_parameters", count_estimate, "Trainable parameters", ""),
    ("total_parameters", count_estimate, "All parameters", "parameters"),
)
_OPTION_HEADINGS = ["On validation, %", "Training, s", "Chosen"]
TABLE_7 = "Which layers a frozen encoder should give"
ABOUT_TABLE_7 = (
    "Table 7 of the BERT paper (Devlin et al., 2019) on this data: a linear head on the vectors "
    "that a frozen encoder gives of the words, from the layers that each row names. The frozen arm "
    "is, with each seed, the option that was best on the validation split; the test split chose "
    "nothing. Where there is no validation split, each head is trained twice: without a tenth of "
    "the training sentences, by which the option is chosen, and then on all of them to be tested. "
    "Options for which the encoder has too few layers are left out. Each row's training time is "
    "that of the head that is tested; the frozen arm's own contains the choice."
)
_TITLE_WIDTH = 40
_MOST_ERRORS, _ERROR_WIDTH = 3, 100


def quality_columns(quality: Quality) -> list[tuple]:
    """The columns of the metrics."""
    return [(m.key, percent_estimate, f"{m.title}, %", m.short) for m in quality.metrics]


def cost_columns(quality: Quality) -> list[tuple]:
    """The columns of what an arm costs."""
    names = {"example": quality.example, "examples": quality.examples}
    return [(key, write, heading.format(**names), short) for key, write, heading, short in COST]


def behind(findings: Findings, arm: ArmSummary) -> str:
    """How many points an arm is behind the best: "best", "−6.8", or by chance "≈ −0.4", "≈ 0.0"."""
    if findings.best is None or arm is findings.best:
        return "best"
    gap = findings.gap(findings.best, arm)
    less = percent(-gap.lead).replace("-", "−")
    return f"≈ {less}" if gap.is_chance else less


def option_rows(findings: Findings, brief: bool = False) -> list[list[str]]:
    """BERT's table 7: headings, the options of the frozen arm, and fine-tuning as the last row.

    Args:
        findings: Of a record.
        brief: Whether the headings are those of the terminal.

    Returns:
        The rows, none where the record has no options.
    """
    metrics = [metric for metric in findings.quality.metrics if metric.short]
    options = layer_options(findings.record, [metric.key for metric in metrics])
    if not options:
        return []
    headings = [metric.short if brief else f"{metric.title}, %" for metric in metrics]
    headings += ["validation %", "train s", "chosen"] if brief else _OPTION_HEADINGS
    rows = [["" if brief else "Layers", *headings]]
    found = [(option.title, option.measures, option.times_chosen) for option in options]
    found += [(arm.title, arm.measures, "") for arm in findings.arms if arm.key == "fine_tuned"]
    for title, measures, chosen in found:
        cells = [percent_estimate(measures[metric.key]) for metric in metrics]
        cells.append(percent_estimate(measures.get("validation")))
        rows.append([title, *cells, number_estimate(measures["train_seconds"]), chosen])
    return rows


def label_rows(findings: Findings, brief: bool = False) -> list[list[str]]:
    """The main metric of each arm with each number of labels, headings first; none without a curve.

    Args:
        findings: Of a record.
        brief: Whether the headings are those of the terminal.
    """
    curve = findings.label_curve
    keys = {arm.key: arm.title for point in curve for arm in point.arms}
    if not keys:
        return []
    main = findings.quality.metrics[0]
    heading = main.short if brief else f"{main.title}, %, by training labels"
    rows = [[heading, *(f"{point.labels:,}" for point in curve)]]
    for key, title in keys.items():
        arms = [point.get(key) for point in curve]
        estimates = [None if arm is None else arm.measures[main.key] for arm in arms]
        rows.append([title, *map(percent_estimate, estimates)])
    return rows


def notes(findings: Findings) -> list[str]:
    """Caveats to read before the numbers: an interrupted, failed or shortened run."""
    sentences, record = [], findings.record
    arms, settings = record["arms"], Settings.make(**record["settings"])
    if record["status"] == "interrupted":
        sentences.append("The run was interrupted: what had finished by then is shown.")
    if record["status"] == "failed":
        arm, message = record["error"]["arm"], record["error"]["message"]
        sentences.append(f"{arm} failed ({message}); what had finished by then is shown.")
    absent = [key for key in settings.arms if not arms.get(key, {}).get("runs")]
    if absent:
        sentences.append(f"No results of: {', '.join(absent)}.")
    short = [
        f"{arm.title} with {len(arm.seeds)}"
        for arm in findings.arms
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
    data = record["data"]
    whole = data["provenance"].get(BEFORE_LIMIT, {})
    used = {name: data["splits"][name]["examples"] for name in whole}
    less = [f"{used[name]:,} of {n:,} {name}" for name, n in whole.items() if used[name] < n]
    if less:
        sentences.append(f"Only {joined(less)} {findings.quality.examples} were used.")
    told = [arm.title for arm in findings.arms if arm.row.has_epochs]
    if settings.epochs and told:
        sentences.append(f"The epochs of {joined(told)} were set to {settings.epochs:,}.")
    return sentences


def describe_data(findings: Findings) -> str:
    """One line on the data: its name, the examples of each split, the number of classes."""
    data = findings.record["data"]
    sizes = ", ".join(f"{split['examples']:,} {name}" for name, split in data["splits"].items())
    return f"{data['name']}: {sizes} {findings.quality.examples}{describe_labels(data)}"


def describe_labels(data: dict) -> str:
    """How many classes or tags the data has, or whether it has questions without an answer."""
    for key, noun in (("class_names", "classes"), ("tag_names", "tags")):
        if key in data:
            return f", {len(data[key])} {noun}"
    return ", some of them without an answer" if data["has_unanswerable"] else ""


def markdown_table(findings: Findings) -> str:
    """The whole of `table.md`: the verdict, the table of arms, and how to read it."""
    verdict = findings.verdict
    parts = [f"# {in_markdown(describe_data(findings))}", f"**{in_markdown(verdict.headline)}**"]
    parts += [in_markdown(" ".join(verdict.details))] if verdict.details else []
    parts += [f"> {in_markdown(note)}" for note in notes(findings)]
    if findings.arms:
        columns = quality_columns(findings.quality) + cost_columns(findings.quality)
        rows = [["Arm", "Seeds", *(column[2] for column in columns), "Behind, points"]]
        for arm in findings.arms:
            cells = _cells(arm, columns)
            rows.append([arm.title, str(len(arm.seeds)), *cells, behind(findings, arm)])
        parts.append(_in_markdown(rows))
    parts.append(
        "Mean ± standard deviation over seeds, on the test split. ≈ marks a difference that is "
        "within what other seeds may change or the sampling error of the test split."
    )
    if rows := label_rows(findings):
        sentences = [findings.enough_labels] if findings.enough_labels else []
        sentences = [f"**{in_markdown(sentence)}**" for sentence in sentences]
        parts += [f"## {QUESTION}", *sentences, about(findings.label_curve), _in_markdown(rows)]
    if rows := option_rows(findings):
        parts += [f"## {TABLE_7}", ABOUT_TABLE_7, _in_markdown(rows)]
    return "\n\n".join(parts) + "\n"


def format_summary(findings: Findings) -> str:
    """The outcome for a terminal, without colours: the table of arms, the verdict, some errors."""
    lines = [printable(describe_data(findings)), ""]
    if findings.arms:
        columns = quality_columns(findings.quality) + cost_columns(findings.quality)
        columns = [column for column in columns if column[3]]
        rows = [["", *(column[3] for column in columns)]]
        for arm in findings.arms:
            rows.append([_title(arm.title), *_cells(arm, columns)])
        lines += [*_align(rows), ""]
    if rows := option_rows(findings, brief=True):
        rows = [[_title(row[0]), *row[1:]] for row in rows]
        lines += [f"{TABLE_7} (table 7 of the BERT paper):", *_align(rows), ""]
    if rows := label_rows(findings, brief=True):
        rows = [[_title(row[0]), *row[1:]] for row in rows]
        lines += [QUESTION, *_align(rows), printable(findings.enough_labels), ""]
    verdict = findings.verdict
    sentences = [
        verdict.headline,
        *verdict.details,
        *(f"Note: {note}" for note in notes(findings)),
    ]
    lines += map(printable, sentences)
    if findings.best and findings.best.errors:
        lines += _describe_errors(findings.best)
    return "\n".join(lines)


def _title(title):
    return shorten(printable(title), _TITLE_WIDTH)


def _cells(arm, columns):
    return [write(arm.measures[measure]) for measure, write, *_ in columns]


def _in_markdown(rows):
    """A table whose first row are headings and whose first column are names."""
    rule = ["---", *["---:"] * (len(rows[0]) - 1)]
    rows = [rows[0], rule, *([in_markdown(row[0]), *row[1:]] for row in rows[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _describe_errors(arm):
    """The errors that an arm was surest of, in a line each."""
    quality = arm.quality
    order = ", surest first" if arm.errors[0]["probability"] is not None else ""
    lines = ["", f"Test {quality.examples} that {printable(arm.title)} got wrong{order}:"]
    for error in arm.errors[:_MOST_ERRORS]:
        width = 20 if quality.has_classes else 60
        true, predicted = (
            shorten(printable(error[key]), width) or MISSING for key in ("true", "predicted")
        )
        sure = "" if error["probability"] is None else f" ({error['probability']:.0%})"
        text = shorten(printable(error["text"]), _ERROR_WIDTH)
        lines.append(f"  {true}, taken for {predicted}{sure}: {text}")
    return lines


def _align(rows):
    """Pads the first column to the right and the others to the left."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        spaces = [" " * (size - cell_len(cell)) for cell, size in zip(row, widths, strict=True)]
        cells = [space + cell for cell, space in zip(row[1:], spaces[1:], strict=True)]
        yield "  ".join([row[0] + spaces[0], *cells])
