"""Options that several commands have."""

import argparse
from pathlib import Path

from kerasformer.errors import UserError
from kerasformer.files import expanded

TASKS = ("classification", "pairs", "tagging", "answering")
# Of a model that is made to be trained.
NEW_MODEL: dict[str, dict] = {
    "--pretrained": {
        "metavar": "SOURCE",
        "help": "pretrained encoder: a folder, hf://owner/name, or a preset (default: "
        "all-MiniLM-L6-v2)",
    },
    "--scratch": {
        "action": "store_true",
        "help": "train from scratch instead, with a vocabulary learnt from the training texts",
    },
    "--max-length": {"metavar": "N", "type": int, "help": "tokens read of a text, or in a window"},
    "--overlap": {
        "metavar": "N",
        "type": int,
        "help": "tokens that two windows over a long text share (tagging and answering)",
    },
    "--dtype": {
        "metavar": "POLICY",
        "help": "Keras dtype policy, such as mixed_bfloat16 (default: float32)",
    },
}
# Of raw text, for a person who has a vocabulary, and one who has none.
VOCABULARY: dict[str, dict] = {
    "--vocab": {
        "metavar": "PATH",
        "dest": "vocabulary",
        "help": "folder or vocab.txt of a vocabulary, such as kerasformer vocab writes (default: "
        "learnt from the text)",
    },
    "--vocab-size": {
        "metavar": "N",
        "type": int,
        "help": "the most tokens to learn (default: 8000)",
    },
}


def add_model(command):
    """Adds `--model`, of a command that looks into one encoder."""
    command.add_argument(
        "--model",
        metavar="SOURCE",
        default="all-MiniLM-L6-v2",
        help="a BERT: a folder or file, a preset, hf://owner/name (default: all-MiniLM-L6-v2)",
    )


def add_json(command):
    """Adds `--json`."""
    command.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_data(command, **kwargs):
    """Adds `--data`, of labelled texts, with further arguments, and how its files are read."""
    command.add_argument(
        "--data",
        metavar="SOURCE",
        help="rotten-tomatoes (the default), imdb, tfds:NAME, or a .csv, .tsv, .jsonl or .parquet "
        "file, or a folder of such files named train, validation, test",
        **kwargs,
    )
    add_reading(command, label="column of the class")


def add_reading(command, **columns):
    """Adds the options of how files are read, with the help of columns beside the text's."""
    group = command.add_argument_group("files")
    group.add_argument(
        "--text-column",
        metavar="NAME",
        help="column of the text: its name, or its number from 0; several, separated by commas, "
        "are joined by a space",
    )
    for column, help in columns.items():
        group.add_argument(f"--{column}-column", metavar="NAME", help=help)
    group.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether CSV and TSV files begin with column names (default: detected)",
    )
    group.add_argument(
        "--delimiter",
        metavar="CHAR",
        help="delimiter of CSV and TSV files: a character, or comma, semicolon, tab or pipe "
        "(default: detected)",
    )
    add_encoding(group)


def add_encoding(command):
    """Adds `--encoding`."""
    command.add_argument(
        "--encoding",
        metavar="NAME",
        help="encoding of text files without a byte-order mark, such as cp1252 (default: utf-8)",
    )


def add_raw_text(command, also: str = ""):
    """Adds the text to learn from, and how it is read; `also` says what else is taken."""
    command.add_argument(
        "text",
        metavar="TEXT",
        nargs="+",
        help="text to learn from: .txt (a blank line between documents), .jsonl, .csv, .tsv "
        "(each also with .gz) or .parquet files, folders of these, tfds:NAME, imdb, or - for "
        f"standard input{also}",
    )
    add_reading(command)
    command.add_argument(
        "--stdin-format",
        metavar="FORMAT",
        default="txt",
        help="what standard input is: txt, jsonl, csv or tsv (default: txt)",
    )


def read_raw_text(arguments):
    """The `kerasformer.data.raw.Documents` of the options of `add_raw_text`."""
    from kerasformer.data.raw import Documents

    options = take_reading(dict(vars(arguments)))
    return Documents(arguments.text, stdin_format=arguments.stdin_format, **options)


def take_reading(options: dict, *columns: str) -> dict:
    """Takes out of the options of a command those of `add_reading` that were given."""
    names = (*columns, "text_column", "header", "delimiter", "encoding")
    taken = {name: options.pop(name, None) for name in names}
    return {name: value for name, value in taken.items() if value is not None}


def output_file(path: str, *suffixes: str) -> Path:
    """The file to write, which has one of the suffixes, or a `UserError`."""
    file = expanded(path)
    if file.suffix.lower() not in suffixes:
        raise UserError(f"--output is {file}, but must end in {' or '.join(suffixes)}.")
    return file


def add_task(command):
    """Adds the task of a model, before its options."""
    command.add_argument("task", metavar="TASK", choices=TASKS, help=", ".join(TASKS))


def add_examples(command):
    """Adds `--data`, of the examples of any task."""
    command.add_argument(
        "--data",
        metavar="SOURCE",
        required=True,
        help="tfds:NAME, a file, or a folder of files named train, validation and test",
    )


def take_pretrained(options: dict) -> None:
    """Makes one of `--scratch` and `--pretrained`: `pretrained`, None for a model from scratch."""
    if options.pop("scratch", False):
        if "pretrained" in options:
            raise UserError("--scratch and --pretrained exclude each other: give one of the two.")
        options["pretrained"] = None
