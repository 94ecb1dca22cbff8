"""Write a model in another format.

Reads a model in any supported format, and writes it in another one. The result is read back and
compared before it takes its place.
"""

import contextlib
from pathlib import Path

from kerasformer.cli.text import show, table
from kerasformer.errors import UserError
from kerasformer.files import expanded
from kerasformer.progress import say

_FORMATS = {
    "hf": "a Hugging Face folder, with the model's head where it has one",
    "tfhub": "a folder with TF Hub's two SavedModels, encoder and preprocessor",
    "keras": "a .keras file of the encoder",
}


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder or file, a preset's name such as all-MiniLM-L6-v2, hf://owner/name, "
        "https://tfhub.dev/..., kaggle://...",
    )
    command.add_argument("target", metavar="TARGET", help="output folder or .keras file")
    command.add_argument(
        "--to",
        required=True,
        choices=_FORMATS,
        help="; ".join(f"{name}: {what}" for name, what in _FORMATS.items()),
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace a model of that format at TARGET"
    )


def run(arguments):
    """Writes the model beside its place, reads it back, compares it, and only then moves it."""
    from kerasformer.progress import stderr_to_nowhere
    from kerasformer.sources.resolve import resolve

    to, target = arguments.to, expanded(arguments.target)
    source = resolve(arguments.source)
    _check_target(target, source, to, arguments.overwrite)
    with stderr_to_nowhere():  # TensorFlow's first messages heed no log level
        from kerasformer.checkpoints import open_checkpoint
        from kerasformer.checkpoints.export.saved_model import check_can_write
        from kerasformer.checkpoints.inspect import count_parameters
        from kerasformer.cli.model import compare_with, read_model, write_model
        from kerasformer.formatting import count

    if to == "tfhub":
        check_can_write()
    checkpoint = open_checkpoint(source)
    total = count_parameters(checkpoint)["total"]
    say(f"Reading {arguments.source} ({checkpoint.format}, {count(total)} parameters) ...")
    model, tokenizer, notes = read_model(checkpoint, to)
    with _saving(target, to, tokenizer) as path:
        say(f"Writing {target} ...")
        write_model(model, tokenizer, path, to)
        say("Reading it back ...")
        show(_format(target, path, *compare_with(model, tokenizer, path, to), notes))


@contextlib.contextmanager
def _saving(target: Path, to: str, tokenizer):
    """The path to write to, of a file or a folder, whose content is moved to the target at last."""
    from kerasformer.checkpoints.export.huggingface import saving_model
    from kerasformer.checkpoints.export.saved_model import saving_saved_models
    from kerasformer.transaction import saving

    if to == "keras":
        with saving(target.parent, target.name) as new:
            yield new / target.name
    elif to == "tfhub":
        with saving_saved_models(target, "encoder", "preprocessor") as new:
            yield new
    else:
        with saving_model(target, with_tokenizer=tokenizer is not None) as new:
            yield new


def _check_target(target: Path, source: Path, to: str, overwrite: bool):
    """Refuses, before any work, what would be lost by writing the target."""
    if to == "keras" and target.suffix != ".keras":
        raise UserError(f"{target} has another suffix than .keras: give the name of such a file.")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    place, origin = target.resolve(), source.resolve()
    if place == origin or place in origin.parents:
        raise UserError(f"{target} holds the source itself: give another place to write to.")
    marks = {"hf": "config.json", "tfhub": "encoder/saved_model.pb", "keras": ""}
    if not (target / marks[to]).is_file():
        raise UserError(f"{target} exists and is not of the format {to}: give another place.")
    if not overwrite:
        raise UserError(f"{target} exists: give --overwrite to replace it.")


def _format(target, written, model, weights, difference, notes):
    paths = sorted(path for path in (written, *written.rglob("*")) if path.is_file())
    rows = [[target / path.relative_to(written), path.stat().st_size] for path in paths]
    lines = [
        f"Wrote a {type(model).__name__} of {model.count_params():,} parameters:",
        table(rows, right={1}, indent="  "),
        f"Read back: {weights:,} weights are equal, and the outputs for a fixed input "
        f"differ by {difference:.1g} at most.",
    ]
    return "\n".join([*lines, *(f"Left out: {note}." for note in notes)])
