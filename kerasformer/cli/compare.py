"""Train from scratch, on frozen features and fine-tuned, and report which is worth it.

Trains and compares models of one task on one labelled data set: a transformer from scratch, a
linear head on frozen pretrained features, a fine-tuned pretrained model, and what they must beat:
the majority class and TF-IDF + logistic regression for classes of texts and of pairs, the most
frequent tag of each word for tagging, a sliding window of words for answering. For classes of
texts also what there was before transformers: the mean of static vectors, here those that the
pretrained model gives of each token alone, and an LSTM with attention. Writes a record, a table,
plots and an HTML report.
"""

import argparse

from kerasformer.cli.options import TASKS, add_reading
from kerasformer.cli.text import show
from kerasformer.compare.arms import arms_of
from kerasformer.compare.settings import DTYPES, QUICK

_ARMS = dict.fromkeys(arm for task in TASKS for arm in arms_of(task))
_OWN_TEXTS = dict.fromkeys(
    key for task in TASKS for key, arm in arms_of(task).items() if arm.own_texts
)
_OPTIONS: tuple[tuple[str, str, str, dict], ...] = (
    (
        "--task",
        "TASK",
        f"what the examples are for: {', '.join(TASKS)} (default: classification)",
        {"choices": TASKS},
    ),
    (
        "--pretrained",
        "SOURCE",
        "pretrained encoder: a folder in the Hugging Face layout, hf://owner/name, or a preset "
        "(default: all-MiniLM-L6-v2)",
        {},
    ),
    (
        "--arms",
        "ARM",
        f"arms to run, of those that the task has: {', '.join(_ARMS)} (default: all but "
        f"{', '.join(_OWN_TEXTS)})",
        {"nargs": "+"},
    ),
    (
        "--unlabelled",
        "SOURCE",
        f"text files, tables, folders or tfds:NAME of texts without labels, from which "
        f"{', '.join(_OWN_TEXTS)} learn too, beside the training texts",
        {"nargs": "+"},
    ),
    (
        "--seeds",
        "N",
        "train each arm N times, with the seeds 0 to N - 1 (default: 3, or fewer where they do "
        "not fit in --minutes)",
        {"type": int},
    ),
    (
        "--minutes",
        "M",
        "time budget: train an arm again, after its first seed, only if that is expected to end "
        "within M minutes (default: 8, or no limit with --seeds)",
        {"type": float},
    ),
    ("--limit", "N", "use about N examples over all splits", {"type": int}),
    (
        "--test-limit",
        "N",
        "test on at most about N examples; --limit then counts the others",
        {"type": int},
    ),
    (
        "--label-curve",
        "N",
        "train every arm with N training labels too, for each N, and plot how quality grows with "
        "labels up to all of them; such as 100 300 1000 all",
        {"nargs": "+"},
    ),
    ("--epochs", "N", "training epochs of the scratch and the fine-tuned arm", {"type": int}),
    (
        "--dtype",
        "POLICY",
        f"{' or '.join(DTYPES)}, for the pretrained arms (default: the faster one here)",
        {},
    ),
    ("--output", "DIR", "output folder (default: a new one under results/)", {}),
)
_FLAGS = (
    (
        "--keep-models",
        "save the first seed's model of each arm that trains a transformer in DIR/models",
    ),
    (
        "--quick",
        f"a first look: {QUICK['limit']:,} examples to train on, at most "
        f"{QUICK['test_limit']:,} to test on, one seed",
    ),
    ("--resume", "continue the unfinished comparison in --output, or else the latest one"),
)


def add_options(command):
    """Adds the options to the parser of the command."""
    command.argument_default = argparse.SUPPRESS  # what is not given keeps the default of Settings
    command.add_argument(
        "--data",
        metavar="SOURCE",
        help="for classification rotten-tomatoes (the default) or imdb; for any task tfds:NAME, a "
        "file, or a folder of files named train, validation and test",
    )
    add_reading(command, label="column of the class or the tags")
    for option, metavar, help, kwargs in _OPTIONS:
        command.add_argument(option, metavar=metavar, help=help, **kwargs)
    for option, help in _FLAGS:
        command.add_argument(option, action="store_true", help=help)


def run(arguments):
    """Runs the command."""
    from kerasformer.compare.report import format_summary, usage
    from kerasformer.compare.runner import compare_and_find

    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    try:
        folder, findings = compare_and_find(**options)
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt(str(interruption) or "nothing had run") from None
    show(format_summary(findings))
    program = usage(findings, folder)
    if program:
        show(f"\nTo use the best arm, in Python:\n\n{program}")
    show(f"\nThe report: {folder / 'report.html'}")
