"""Search for the best hyperparameters of a task on a file of examples.

Trains one model after another (with Optuna's TPE), ends the training of those that do worse than
most, chooses by the validation split, and measures the best model on the test split, once. Writes
that model, a table, a plot and a record into --output. An interrupted search goes on with --resume.
"""

import argparse

from kerasformer.cli.options import (
    NEW_MODEL,
    add_examples,
    add_reading,
    add_task,
    take_pretrained,
    take_reading,
)
from kerasformer.cli.scores import scores_table
from kerasformer.cli.text import show, table
from kerasformer.tune.space import SEARCHED, Space

_BUDGET: dict[str, dict] = {
    "--trials": {"metavar": "N", "type": int, "help": "the most trials (default: 20)"},
    "--minutes": {
        "metavar": "M",
        "type": float,
        "help": "begin no trial that is expected to end after M minutes (default: no limit)",
    },
    "--metric": {
        "help": "metric of the validation split to choose by, such as f1 (default: the task's)"
    },
    "--seed": {"metavar": "N", "type": int, "help": "of all that is drawn (default: 0)"},
    "--limit": {"metavar": "N", "type": int, "help": "use about N examples"},
    "--resume": {"action": "store_true", "help": "go on with the interrupted search in --output"},
}
_SPACE: dict[str, dict] = {
    "--learning-rate": {"metavar": "RATE", "type": float, "help": "the lowest and the highest"},
    "--batch-size": {"metavar": "N", "type": int, "help": "the sizes to choose from"},
    "--epochs": {"metavar": "N", "type": int, "help": "the fewest and the most"},
    "--warmup-ratio": {"metavar": "SHARE", "type": float, "help": "the least and the most"},
    "--trained": {
        "metavar": "WHAT",
        "help": "what to train: all, head, or how many of the last blocks (default: all, half of "
        "the blocks, head)",
    },
}


def add_options(command):
    """Adds the options to the parser of the command."""
    command.argument_default = argparse.SUPPRESS  # the defaults are those of the search
    add_task(command)
    add_examples(command)
    command.add_argument("--output", metavar="DIR", required=True, help="folder of the search")
    for option, given in _BUDGET.items():
        command.add_argument(option, **given)
    add_reading(command, label="column of the label")
    group = command.add_argument_group("model")
    for option, given in NEW_MODEL.items():
        group.add_argument(option, **given)
    group = command.add_argument_group(
        "what is searched", "by default values around those that kerasformer train has"
    )
    for option, given in _SPACE.items():
        group.add_argument(option, nargs="+", **given)


def run(arguments):
    """Runs the command."""
    from kerasformer.data import load_dataset
    from kerasformer.tune import tune
    from kerasformer.tune.report import table_rows, verdict

    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    take_pretrained(options)
    reading = take_reading(options, "label_column")
    reading |= {"limit": options.pop("limit")} if "limit" in options else {}
    task, source = options.pop("task"), options.pop("data")
    space = Space(**{n: options.pop(n) for n in (*SEARCHED, "trained") if n in options})
    dataset = load_dataset(source, task=task, **reading)
    search = tune(task, dataset, options.pop("output"), space=space, **options)
    rows = table_rows(search.record)
    show(table(rows, right=set(range(2, len(rows[0]) - 1))) + "\n")
    show("\n".join(verdict(search.record)))
    if search.record["test"]:
        show(f"\n{scores_table(search.record['test']['scores'])}")
    folder = search.folder
    show(f"\nThe model: {folder / 'model'}\nTo use it: kerasformer predict {folder / 'model'} FILE")
    show(f"The plot: {folder / 'trials.png'}")
