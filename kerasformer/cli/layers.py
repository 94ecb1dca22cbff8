"""Find out which layer and pooling of a model suit your labelled texts.

Trains a linear probe (logistic regression) on the vectors of every layer of a pretrained model, and
of the usual combinations of layers, with each pooling, and says which to use. Writes a record, a
table and a heat map.
"""

import datetime
import json
import warnings

from kerasformer.cli.options import add_data, add_model, take_reading
from kerasformer.cli.text import show, table
from kerasformer.errors import UserError
from kerasformer.files import expanded
from kerasformer.progress import say

_PICTURE, _TABLE = "layers.png", "table.md"


def add_options(command):
    """Adds the options to the parser of the command."""
    add_data(command, default="rotten-tomatoes")
    add_model(command)
    command.add_argument(
        "--poolings",
        metavar="MODE",
        nargs="+",
        default=["mean", "cls", "max"],
        help="some of mean, cls, max, mean_sqrt_len (default: the first three)",
    )
    command.add_argument(
        "--limit",
        metavar="N",
        type=int,
        default=2000,
        help="use about N examples (default: 2,000), a fifth of them as the test set where the "
        "data has none",
    )
    command.add_argument("--max-length", metavar="N", type=int, help="tokens read of a text")
    command.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="seed of the cross-validation's folds (default: 0)",
    )
    command.add_argument(
        "--output", metavar="DIR", help="output folder (default: a new one under results/)"
    )


def run(arguments):
    """Runs the command."""
    from kerasformer.analysis.layer_features import check_poolings
    from kerasformer.data import load_dataset
    from kerasformer.data.columns import say_joined
    from kerasformer.data.labeled import SINGLE_LABEL
    from kerasformer.errors import require
    from kerasformer.files import new_folder, only_writer, refuse_used

    require("matplotlib", extra="compare")
    settings = {name: value for name, value in vars(arguments).items() if name != "run"}
    folder = arguments.output and expanded(arguments.output)
    refuse_used(folder, leftovers=[_PICTURE, _TABLE])  # which are written before the record
    check_poolings(arguments.poolings)
    if not 0 <= arguments.seed < 2**32:
        raise UserError(f"--seed is {arguments.seed}: give a number from 0 to {2**32 - 1}.")
    reading = take_reading(vars(arguments), "label_column")
    whole = load_dataset(arguments.data, problem_type=SINGLE_LABEL, **reading)
    say_joined(whole.text_columns)
    dataset = whole.limited(arguments.limit)
    folder = folder or new_folder("layers", dataset.name)
    with only_writer(folder, "command"):  # fails before the work where it cannot be written to
        try:
            study = _study(dataset, whole, arguments)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("nothing was written") from None
        _write(folder, study, dataset, settings)
    _print(study, arguments.model, folder)


def _study(dataset, whole, arguments):
    from kerasformer.progress import WorkProgress, stderr_to_nowhere, step

    with step(f"Loading {arguments.model}"):
        with stderr_to_nowhere():  # TensorFlow's first messages heed no log level
            from kerasformer.analysis.layer_study import study_layers
            from kerasformer.embedder import TextEmbedder

        settings = {} if arguments.max_length is None else {"max_length": arguments.max_length}
        embedder = TextEmbedder.from_pretrained(arguments.model, **settings)
    count, total = (sum(map(len, d.splits.values())) for d in (dataset, whole))
    limited = "" if count == total else f" of {total:,} (--limit)"
    say(
        f"{count:,} texts{limited} through {arguments.model}, then a probe for each of its layers "
        "and poolings"
    )
    with warnings.catch_warnings():  # such as that texts were cut, without the place in the code
        warnings.showwarning = lambda message, *_, **__: say(f"Note: {message}")
        return study_layers(
            dataset, embedder, arguments.poolings, seed=arguments.seed, progress=WorkProgress
        )


def _write(folder, study, dataset, settings):
    from kerasformer.analysis.layer_report import answer, layers_map, markdown, record
    from kerasformer.files import write_whole, writing
    from kerasformer.hardware import describe_hardware, versions

    model = settings["model"]
    whole_record = {
        "format": 1,
        "name": "layers",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "settings": settings,
        "versions": versions(),
        "hardware": describe_hardware(),
        "data": dataset.describe(),
        **record(study),
        "answer": answer(study, model),
    }
    files = {
        _PICTURE: layers_map(study, f"{dataset.name}, {model}"),
        _TABLE: markdown(study, dataset.name, model),
        "record.json": json.dumps(whole_record, indent=1) + "\n",
    }
    with writing(folder):
        for name, content in files.items():
            write_whole(folder / name, content)


def _print(study, model, folder):
    from kerasformer.analysis.layer_report import CHOSEN, answer, table_rows
    from kerasformer.formatting import percent

    show(
        f"Accuracy in cross-validation over {study.examples:,} texts, % ± standard deviation "
        f"(most frequent class: {percent(study.majority)}). {CHOSEN}\n"
    )
    show(table(table_rows(study), right=set(range(1, 1 + len(study.poolings)))))
    show("\n".join(["", *answer(study, model), f"\nWritten: {folder / 'layers.png'}"]))
