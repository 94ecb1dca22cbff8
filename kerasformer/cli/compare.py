"""`kerasformer compare`."""

import argparse

from kerasformer.cli.options import add_data
from kerasformer.compare.settings import ARMS, DTYPES

# What --quick stands for, where the options do not say otherwise.
_QUICK = {"limit": 800, "seeds": 1}


def add_to(commands):
    """Adds the command to the parser of commands."""
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

    add_data(command)
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
    from kerasformer.compare.report import format_summary, load_record

    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    if options.pop("quick", False):
        options = {**_QUICK, **options}
    folder = compare(**options)
    print(format_summary(load_record(folder)))
    print(f"\nThe report: {folder / 'report.html'}")
    return 0
