"""Measure a trained model on labelled examples.

Reads a model of any task, and prints the metrics of its field for a split of a data set: those of
scikit-learn for classes, of seqeval for entities, of the SQuAD scripts for answers.
"""

import json
from typing import Any

from kerasformer.cli.options import TASKS, add_examples, add_json, add_reading, take_reading
from kerasformer.cli.scores import scores_table
from kerasformer.cli.text import show
from kerasformer.cli.train import RECORD
from kerasformer.errors import UserError
from kerasformer.files import expanded, read_optional_json
from kerasformer.progress import step


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument("model", metavar="MODEL", help="folder of a model, or hf://owner/name")
    add_examples(command)
    command.add_argument(
        "--task",
        choices=TASKS,
        help="what the data is for (default: what kerasformer train was told, or the model's)",
    )
    command.add_argument(
        "--split",
        choices=("train", "validation", "test", "all"),
        default="test",
        help="the split to measure on (default: test; of a file without splits, the fifth of it "
        "that kerasformer train leaves out)",
    )
    command.add_argument("--batch-size", metavar="N", type=int, help="examples in a batch")
    add_reading(command, label="column of the label")
    add_json(command)


def run(arguments):
    """Runs the command."""
    from kerasformer.tasks import load

    with step("Loading the model"):
        model = load(arguments.model)
    reading = take_reading(vars(arguments), "label_column")
    task = arguments.task or _task(arguments.model, model)
    examples = _read(arguments.data, task, arguments.split, reading)
    scores = model.evaluate(examples, batch_size=arguments.batch_size, return_dict=True)
    show(json.dumps(scores, ensure_ascii=False) if arguments.json else scores_table(scores))


def _task(source: str, model: Any) -> str:
    """What the model was trained for."""
    from kerasformer.tasks.kinds import KINDS

    record = read_optional_json(expanded(source) / RECORD)
    settings = record.get("settings")
    if isinstance(settings, dict) and settings.get("task") in TASKS:
        return settings["task"]
    name = type(model).__name__.replace("TransformerClassifier", "TextClassifier")
    tasks = [kind.key for kind in KINDS.values() if kind.model == name]
    if not tasks:
        raise UserError(f"A {name} is measured in Python, by its evaluate.")
    return tasks[0]


def _read(source: str, task: Any, split: str, reading: dict) -> Any:
    """The examples of a split of a data set, or all of them."""
    from kerasformer.data import load_dataset

    dataset = load_dataset(source, task, **reading)
    if split == "all":
        return dataset.whole
    if split not in dataset.splits:
        raise UserError(
            f"{source} has no {split} split, only {', '.join(dataset.splits)}: give --split."
        )
    return dataset.splits[split]
