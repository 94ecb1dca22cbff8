"""What the experiment scripts share: their options, and the record that each writes."""

import argparse
import json
import pathlib
import sys

from kerasformer.errors import UserError
from kerasformer.files import write_whole
from kerasformer.hardware import describe_hardware, versions


def arguments(description, pretrained=False, tasks=()):
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if tasks:
        parser.add_argument("task", choices=tasks)
    default = None if tasks else "rotten-tomatoes"
    parser.add_argument(
        "--data", default=default, required=bool(tasks), help="as load_dataset takes it"
    )
    if pretrained:
        parser.add_argument("--pretrained", default="all-MiniLM-L6-v2", help="as resolve takes it")
    parser.add_argument("--epochs", type=int, help="by default those of the model's recipe")
    parser.add_argument("--limit", type=int, help="use about N examples")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def run(main):
    """Runs a script; a person's mistake ends it with one sentence."""
    try:
        main()
    except UserError as error:
        sys.exit(str(error))


def finish(name, args, dataset, history, metrics):
    """Prints the test metrics and writes them, with all that led to them, to results/."""
    measures = ("accuracy", "precision", "recall", "exact", "f1", "HasAns_f1", "NoAns_f1")
    for measure in (*measures, "pearson", "spearman"):
        if metrics.get(measure) is not None:
            print(f"{measure:>9}: {metrics[measure]:.4f}")
    record = {
        "experiment": name,
        "settings": vars(args),
        "data": dataset.describe(),
        "versions": versions(),
        "hardware": describe_hardware(),
        "history": {key: [float(v) for v in values] for key, values in history.history.items()},
        "metrics": metrics,
    }
    file = pathlib.Path("results", f"{name}.json")
    file.parent.mkdir(exist_ok=True)
    write_whole(file, json.dumps(record, indent=1, ensure_ascii=False))
    print(f"   record: {file}")
