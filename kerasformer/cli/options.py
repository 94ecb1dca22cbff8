"""Options that several commands have."""


def add_model(command):
    """Adds `--model`, of a command that looks into one encoder."""
    command.add_argument(
        "--model",
        metavar="SOURCE",
        default="all-MiniLM-L6-v2",
        help="a BERT: a folder or file, a preset's name, hf://owner/name (by default "
        "all-MiniLM-L6-v2)",
    )


def add_json(command):
    """Adds `--json`."""
    command.add_argument("--json", action="store_true", help="write JSON, for programs")


def add_data(command, **kwargs):
    """Adds `--data`, of labelled texts, and the names of their columns.

    Args:
        command: The parser of the command.
        **kwargs: Further arguments of `--data`, such as `default`.
    """
    command.add_argument(
        "--data",
        metavar="SOURCE",
        help="rotten-tomatoes (the default), imdb, tfds:NAME, or a .csv, .tsv, .jsonl or .parquet "
        "file or folder",
        **kwargs,
    )
    command.add_argument(
        "--text-column", metavar="NAME", help="column of the text; several with commas between"
    )
    command.add_argument("--label-column", metavar="NAME", help="column of the class")
