"""The `kerasformer` command."""

import argparse
import os
import sys

import kerasformer
from kerasformer.compare.settings import ARMS, DTYPES
from kerasformer.errors import UserError

# What --quick stands for, where the options do not say otherwise.
_QUICK = {"limit": 800, "seeds": 1}


def main(argv=None) -> int:
    """Runs the command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit status: 0, 2 after a mistake of the user's, 130 after Ctrl-C.
    """
    arguments = _parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return arguments.run(arguments)
    except UserError as error:
        print(f"kerasformer: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("kerasformer: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="kerasformer",
        description="Transformers from scratch and pretrained BERT, in Keras 3.",
    )
    parser.add_argument(
        "--version", action="version", version=f"kerasformer {kerasformer.__version__}"
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_compare(commands)
    return parser


def _add_compare(commands):
    command = commands.add_parser(
        "compare",
        help="train from scratch, on frozen features and fine-tuned, and report which is worth it",
        description="Compares classifiers of one labelled data set: the majority class, TF-IDF + "
        "logistic regression, a transformer trained from scratch, a linear head on frozen "
        "pretrained features, and the fine-tuned pretrained model. Writes a record, a table, plots "
        "and a page.",
        argument_default=argparse.SUPPRESS,  # what is not given keeps the default of Settings
    )
    command.set_defaults(run=_compare)

    def add(option, metavar, help, **kwargs):
        command.add_argument(option, metavar=metavar, help=help, **kwargs)

    add(
        "--data",
        "SOURCE",
        "rotten-tomatoes (the default), imdb, tfds:NAME, or a .csv, .tsv, .jsonl or .parquet file "
        "or folder",
    )
    add("--text-column", "NAME", "column of the text; several with commas between")
    add("--label-column", "NAME", "column of the class")
    add(
        "--pretrained",
        "SOURCE",
        "all-MiniLM-L6-v2 (the default), a folder in the Hugging Face layout, or hf://owner/name",
    )
    add("--arms", "ARM", f"some of {', '.join(ARMS)} (all of them by default)", nargs="+")
    add(
        "--seeds",
        "N",
        "how often to train each arm (by default 3 times, or as often as 8 minutes allow)",
        type=int,
    )
    add("--limit", "N", "use about N examples", type=int)
    add("--epochs", "N", "epochs of the scratch and of the fine-tuned arm", type=int)
    add(
        "--dtype",
        "POLICY",
        f"{' or '.join(DTYPES)}, for the pretrained arms (by default the faster here)",
    )
    add("--output", "DIR", "folder to write to (by default a new one under results/)")
    quick = " ".join(f"--{name} {value}" for name, value in _QUICK.items())
    command.add_argument("--quick", action="store_true", help=f"a first look: {quick}")
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on with the interrupted comparison in --output, or with the latest one",
    )


def _compare(arguments):
    from kerasformer.compare import compare
    from kerasformer.report import format_summary, load_record

    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    if options.pop("quick", False):
        options = {**_QUICK, **options}
    folder = compare(**options)
    print(format_summary(load_record(folder)))
    print(f"\nThe report: {folder / 'report.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
