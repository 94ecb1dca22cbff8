"""Answer with a trained model, one line of JSON for each text.

Reads texts of files of any size, or of standard input, and writes what a model of any task answers
as JSONL, in the order of the texts: classes, entities, answers to questions, masked words.
"""

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from kerasformer.cli.options import add_reading, take_reading
from kerasformer.errors import UserError
from kerasformer.progress import WorkProgress, step

_CHUNK = 1024  # texts that are answered at a time, sorted by length within


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument("model", metavar="MODEL", help="folder of a model, or hf://owner/name")
    command.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="a .txt file (one text a line), .csv, .tsv, .jsonl (each also with .gz) or .parquet, "
        "a folder of such files, or - for lines of standard input",
    )
    command.add_argument("--output", metavar="FILE", help="a .jsonl file (default: print)")
    command.add_argument("--batch-size", metavar="N", type=int, help="texts in a batch")
    command.add_argument(
        "--top", metavar="K", type=int, default=1, help="answers to each question (default: 1)"
    )
    command.add_argument(
        "--stdin-format",
        choices=("txt", "jsonl"),
        default="txt",
        help="whether a line of standard input is a text (the default) or a JSON object",
    )
    add_reading(
        command,
        pair="column of the second text, for a model of pairs",
        question="column of the question (default: question)",
        context="column of the text that has the answer (default: context)",
        id="column that is copied to the output",
    )


def run(arguments):
    """Runs the command."""
    from kerasformer.cli.answers import answering
    from kerasformer.tasks import load

    with step("Loading the model"):
        model = load(arguments.model)
    task = answering(model, arguments)
    ...
