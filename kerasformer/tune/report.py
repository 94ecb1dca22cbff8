"""The trials of a search as a table: CSV, Markdown, and text for a terminal."""

import csv
import io
from pathlib import Path
from typing import Any

from kerasformer.files import write_whole, writing
from kerasformer.formatting import MISSING, in_markdown
from kerasformer.plots.figures import plot_style, png
from kerasformer.tune.plot import trials_figure
from kerasformer.tune.study import COMPLETE, falls

CSV, TABLE, PLOT = "trials.csv", "table.md", "trials.png"
_COLUMNS = (
    *("trial", "outcome", "trained", "learning_rate", "batch_size", "epochs", "warmup_ratio"),
    *("value", "seconds"),
)


def write_trials(record: dict[str, Any], folder: Path) -> None:
    """Writes `trials.csv`, atomically."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    metric = f"validation_{record['metric'] or 'metric'}"
    rows.writerow([metric if name == "value" else name for name in _COLUMNS])
    for trial in record["trials"]:
        rows.writerow(["" if trial[name] is None else trial[name] for name in _COLUMNS])
    with writing(folder):
        write_whole(folder / CSV, text.getvalue())


def write_report(record: dict[str, Any], folder: Path) -> None:
    """Writes `trials.csv`, `table.md` and `trials.png`, each atomically."""
    write_trials(record, folder)
    with plot_style():
        image = png(trials_figure(record))
    with writing(folder):
        write_whole(folder / TABLE, markdown(record))
        write_whole(folder / PLOT, image)


def table_rows(record: dict[str, Any]) -> list[list[str]]:
    """The heading and the trials, the best one first, those that did not end last."""
    heading = ["Trial", "Trained", "Learning rate", "Batch size", "Epochs", "Warmup"]
    heading += [f"Validation {record['metric']}", "Seconds", "Outcome"]
    sign = 1 if falls(record["metric"] or "") else -1

    def place(trial):
        is_complete = trial["outcome"] == COMPLETE
        return not is_complete, sign * trial["value"] if is_complete else 0, trial["trial"]

    rows = []
    for trial in sorted(record["trials"], key=place):
        value = MISSING if trial["value"] is None else f"{trial['value']:.4f}"
        outcome = "best" if trial["trial"] == record["best"] else trial["outcome"]
        rows.append(
            [
                str(trial["trial"]) + (" (default)" if trial["trial"] == 1 else ""),
                trained_as_text(trial["trained"]),
                f"{trial['learning_rate']:.2g}",
                str(trial["batch_size"]),
                str(trial["epochs"]),
                f"{trial['warmup_ratio']:.2f}",
                value,
                f"{trial['seconds']:.1f}",
                outcome,
            ]
        )
    return [heading, *rows]


def trained_as_text(trained: str) -> str:
    """What is trained, as a person reads it.

    >>> trained_as_text("head"), trained_as_text("1"), trained_as_text("all")
    ('head', 'last block', 'all')
    """
    if not trained.isdigit():
        return trained
    return "last block" if trained == "1" else f"last {trained} blocks"


def verdict(record: dict[str, Any]) -> list[str]:
    """What was found, in sentences."""
    trials, metric = record["trials"], record["metric"]
    if record["best"] is None:
        return ["No trial has been trained to its end."]
    best, first = trials[record["best"] - 1], trials[0]
    sentences = [
        f"Best on the validation split: trial {best['trial']}, {metric} {best['value']:.4f}"
        + (" (the default hyperparameters)." if best is first else ".")
    ]
    if best is not first and first["value"] is not None:
        sentences.append(f"The default hyperparameters: {metric} {first['value']:.4f}.")
    if record["test"]:
        test = record["test"]
        value, within = test["scores"][metric], test["interval"]
        margin = f", 95 % interval {within[0]:.4f} to {within[1]:.4f}" if within else ""
        sentences.append(
            f"On the test split ({test['examples']:,} examples), measured once: {metric} "
            f"{value:.4f}{margin}."
        )
    elif record["status"] != "complete":
        sentences.append("The search was interrupted: nothing has looked at the test split yet.")
    return sentences


def markdown(record: dict[str, Any]) -> str:
    """The table and what was found, as Markdown."""
    heading, *rows = table_rows(record)
    lines = [f"# Hyperparameters for {in_markdown(str(record['data']['name']))}", ""]
    lines += [in_markdown(sentence) + "\n" for sentence in verdict(record)]
    for row in (heading, ["---"] * len(heading), *rows):
        cells = row if row[0] == "---" else map(in_markdown, row)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
