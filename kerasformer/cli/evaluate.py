"""Measure a trained model on labelled examples.

Reads a model of any task, and prints the metrics of its field for a split of a data set: those of
scikit-learn for classes, of seqeval for entities, of the SQuAD scripts for answers.
"""

import json

from kerasformer.cli.options import add_json, add_reading, take_reading
from kerasformer.cli.scores import scores_table
from kerasformer.cli.text import show
from kerasformer.errors import UserError
from kerasformer.progress import step


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument("model", metavar="MODEL", help="folder of a model, or hf://owner/name")
    command.add_argument(
        "--data",
        metavar="SOURCE",
        required=True,
        help="tfds:NAME, a file, or a folder of files named train, validation and test",
    )
    command.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        help="the split to measure on (default: test, or all of a file without splits)",
    )
    command.add_argument("--batch-size", metavar="N", type=int, help="examples in a batch")
    add_reading(command, label="column of the label")
    add_json(command)


def run(arguments):
    """Runs the command."""
    from kerasformer.tasks import load
    from kerasformer.tasks.kinds import task_of_model

    with step("Loading the model"):
        model = load(arguments.model)
    split = arguments.split
    reading = take_reading(vars(arguments), "label_column")
    examples = read_split(arguments.data, task_of_model(model), split, reading)
    scores = model.evaluate(examples, batch_size=arguments.batch_size, return_dict=True)
    show(json.dumps(scores, ensure_ascii=False) if arguments.json else scores_table(scores))


def read_split(source, task: str, split: str | None, reading: dict):
    """The examples of a split of a data set, or all of one that comes without splits."""
    from kerasformer.data import load_dataset

    dataset = load_dataset(source, task=task, **reading)
    if split is None:
        split = "test"
    if split not in dataset.splits:
        raise UserError(
            f"{source} has no {split} split, only {', '.join(dataset.splits)}: give --split."
        )
    return dataset.splits[split]
