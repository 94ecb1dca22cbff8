"""Train a model of any task on a file of examples.

Trains a pretrained encoder (--pretrained), or a model from scratch (--scratch), on the train split
of a data set; measures it on the test split; and writes the model, a record of the training and
its metrics into --output. An interrupted training goes on with --resume.
"""

import argparse
import contextlib
import json
import shutil
import sys
from pathlib import Path

from kerasformer.cli.options import (
    NEW_MODEL,
    add_examples,
    add_reading,
    add_task,
    take_pretrained,
    take_reading,
)
from kerasformer.cli.running import add_running, logs, on_devices
from kerasformer.cli.scores import scores_table
from kerasformer.cli.text import show
from kerasformer.errors import DivergenceError, UserError
from kerasformer.files import expanded
from kerasformer.progress import step

RECORD, _CHECKPOINTS = "training.json", ".training"
_TRAINED: dict[str, dict] = {
    "--freeze-encoder": {"action": "store_true", "help": "train the head alone"},
    "--trained-blocks": {"metavar": "K", "type": int, "help": "train the last K blocks and above"},
    "--lora": {"metavar": "RANK", "type": int, "help": "train low-rank updates of the weights"},
}
_RECIPE: dict[str, dict] = {
    "--epochs": {"type": int, "help": "passes over the training examples"},
    "--batch-size": {"type": int, "help": "examples in a batch"},
    "--learning-rate": {"type": float, "help": "the highest learning rate"},
    "--weight-decay": {"type": float, "help": "of AdamW, not of biases and LayerNorm"},
    "--warmup-ratio": {"type": float, "help": "part of the steps in which the rate rises"},
    "--schedule": {"choices": ("linear", "cosine", "constant"), "help": "how the rate falls"},
    "--layer-decay": {"type": float, "help": "factor of the rate from a block to the one below"},
    "--accumulate": {"type": int, "help": "batches whose gradients make one step"},
    "--label-smoothing": {"type": float, "help": "share of a label given to all classes"},
    "--head-epochs": {"type": int, "help": "epochs of the head alone, before all is trained"},
    "--monitor": {"help": "metric of the validation split, such as val_f1: keep the best epoch"},
    "--patience": {"type": int, "help": "stop after so many epochs without a better one"},
}


def add_options(command):
    """Adds the options to the parser of the command."""
    command.argument_default = argparse.SUPPRESS  # the defaults are those of the model
    add_task(command)
    add_examples(command)
    command.add_argument("--output", metavar="DIR", required=True, help="folder of the model")
    command.add_argument("--seed", type=int, default=0, help="of order, dropout and head")
    command.add_argument("--limit", metavar="N", type=int, help="use about N examples")
    command.add_argument("--class-weight", choices=("balanced",), help="weigh rare classes more")
    add_running(command, "go on with the interrupted training in --output")
    add_reading(command, label="column of the label")
    for title, options in (("model", NEW_MODEL | _TRAINED), ("training", _RECIPE)):
        group = command.add_argument_group(title)
        for option, given in options.items():
            metavar = {} if {"action", "metavar", "choices"} & given.keys() else {"metavar": "N"}
            group.add_argument(option, **metavar, **given)


def run(arguments):
    """Runs the command."""
    options = vars(arguments)
    del options["run"]
    folder = expanded(options.pop("output"))
    settings = dict(options)
    take_pretrained(options)
    dataset = _read(options)
    resume = options.pop("resume", False)
    with on_devices(options.pop("devices", 1)), _writing(folder, resume):
        is_trained = False
        try:
            model, history = _trained(options, dataset, folder)
            is_trained = True
            scores = {
                name: model.evaluate(dataset.splits[name], return_dict=True, verbose=0)
                for name in ("validation", "test")
                if name in dataset.splits
            }
        except UserError as error:
            is_trained = is_trained and not isinstance(error, DivergenceError)
            if not (resume or is_trained):  # what is given next is something else to begin with
                shutil.rmtree(folder / _CHECKPOINTS, ignore_errors=True)
            raise
        except KeyboardInterrupt:
            if not _is_begun(folder):
                raise KeyboardInterrupt("training had not begun") from None
            raise KeyboardInterrupt(
                f"the training so far is in {folder}: to go on, add --resume to the command"
            ) from None
    model.save_pretrained(folder)
    _write_record(folder, settings, dataset, history, scores)
    shutil.rmtree(folder / _CHECKPOINTS, ignore_errors=True)
    for name, values in scores.items():
        show(f"On the {name} split ({len(dataset.splits[name]):,} examples):\n")
        show(scores_table(values) + "\n")
    show(f"The model: {folder}\nTo use it: kerasformer predict {folder} FILE")


def _read(options: dict):
    """The data, with a validation split where one is to be judged on."""
    from kerasformer.data import load_dataset

    reading = take_reading(options, "label_column")
    reading |= {"limit": options.pop("limit")} if "limit" in options else {}
    dataset = load_dataset(options.pop("data"), task=options["task"], **reading)
    if options.keys() & {"monitor", "patience"}:
        dataset = dataset.with_validation()
    return dataset


@contextlib.contextmanager
def _writing(folder: Path, resume: bool):
    """Holds the output folder, new or with an interrupted training."""
    from kerasformer.files import only_writer, refuse_used

    is_begun = _is_begun(folder)
    if resume and not is_begun:
        raise UserError(f"{folder} has no interrupted training: leave --resume out.")
    if not resume:
        remedy = ", or --resume to go on with the training in it" * is_begun
        refuse_used(folder, remedy, leftovers=[] if is_begun else [_CHECKPOINTS])
    with only_writer(folder, "training"):
        yield


def _is_begun(folder: Path) -> bool:
    """Whether there is a training to go on with."""
    return any((folder / _CHECKPOINTS).glob("checkpoint-*"))


def _trained(options: dict, dataset, folder: Path):
    """The model, trained, and its history."""
    import keras

    from kerasformer.tasks.kinds import kind_of

    kind, seed = kind_of(options.pop("task")), options.pop("seed")
    recipe = {n: options.pop(n) for n in map(_name, _RECIPE) if n in options}
    callbacks, class_weight = logs(options.pop("log", None)), options.pop("class_weight", None)
    rank = options.pop("lora", None)
    pretrained = options.pop("pretrained", "all-MiniLM-L6-v2")
    keras.utils.set_random_seed(seed)  # of the head's first weights
    with step("Making the model"):
        model = kind.new_model(dataset, pretrained, **options)
    if rank is not None:
        model.encoder.enable_lora(rank)
    history = model.fit(
        dataset,
        recipe=model.recipe.change(**recipe),
        class_weight=class_weight,
        callbacks=callbacks,
        seed=seed,
        resume=folder / _CHECKPOINTS,
        verbose="auto" if sys.stdout.isatty() else 2,
    )
    return model, history


def _name(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def _write_record(folder: Path, settings: dict, dataset, history, scores: dict):
    """All that led to the model, and what it is worth."""
    from kerasformer.files import write_whole
    from kerasformer.hardware import describe_hardware, versions

    record = {
        "settings": settings,
        "data": dataset.describe(),
        "versions": versions(),
        "hardware": describe_hardware(),
        "history": {key: [float(v) for v in values] for key, values in history.history.items()},
        "metrics": scores,
    }
    write_whole(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False))
