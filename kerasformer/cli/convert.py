"""`kerasformer convert`."""

import os
import sys
from pathlib import Path

from kerasformer.cli.text import table
from kerasformer.errors import UserError

_FORMATS = {
    "hf": "a Hugging Face folder, with the model's head where it has one",
    "tfhub": "a folder with TF Hub's two SavedModels, encoder and preprocessor",
    "keras": "a .keras file of the encoder",
}


def add_to(commands):
    """Adds the command to the parser of commands."""
    command = commands.add_parser(
        "convert",
        help="write a model in another format",
        description="Reads a model in any supported format, and writes it in another one. The "
        "result is read back and compared before it takes its place.",
    )
    command.set_defaults(run=_run)
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


def _run(arguments):
    convert(arguments.source, arguments.target, arguments.to, overwrite=arguments.overwrite)
    return 0


def convert(source, target, to: str, *, overwrite: bool = False) -> Path:
    """Writes a model in another format, and prints what was written.

    It is written beside its place, read back, compared with what was read, and only then renamed:
    an interruption leaves nothing.

    Raises:
        UserError: The source cannot be read, the target is taken, the format cannot hold the
            model, or what was written does not read back as it was.
    """
    from kerasformer.progress import stderr_to_nowhere
    from kerasformer.sources.resolve import resolve

    source_path, target = resolve(source), Path(os.path.expanduser(target))
    _check_target(target, source_path, to, overwrite)
    with stderr_to_nowhere():  # TensorFlow's first messages heed no log level
        from kerasformer.checkpoints import open_checkpoint
        from kerasformer.checkpoints.export.saved_model import replacing
        from kerasformer.checkpoints.inspect import count_parameters
        from kerasformer.cli.model import compare_with, read_model, write_model
        from kerasformer.formatting import count

    checkpoint = open_checkpoint(source_path)
    total = count_parameters(checkpoint)["total"]
    _say(f"Reading {source} ({checkpoint.format}, {count(total)} parameters) ...")
    model, tokenizer, notes = read_model(checkpoint, to)
    try:
        with replacing(target) as new:
            _say(f"Writing {target} ...")
            write_model(model, tokenizer, Path(new), to)
            _say("Reading it back ...")
            result = compare_with(model, tokenizer, Path(new), to)
            print(_format(target, Path(new), result, notes))
    except OSError as error:
        raise UserError(
            f"Cannot write {target} ({error.strerror or error}): give a place that can be written "
            "to, on a disk with room."
        ) from None
    return target


def _say(line):
    print(line, file=sys.stderr, flush=True)


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


def _format(target, written, result, notes):
    paths = [written] if written.is_file() else sorted(p for p in written.rglob("*") if p.is_file())
    rows = [
        [target / path.relative_to(written) if path != written else target, path.stat().st_size]
        for path in paths
    ]
    lines = [
        f"Wrote a {result.name} of {result.parameters:,} parameters:",
        table(rows, right={1}, indent="  "),
        f"Read back: {result.weights:,} weights are equal, and the outputs for a fixed input "
        f"differ by {result.difference:.1g} at most.",
    ]
    return "\n".join([*lines, *(f"Left out: {note}." for note in notes)])
