"""The `kerasformer` command: each of its commands is a module with `add_to(commands)`."""

import argparse
import os
import sys

import kerasformer
from kerasformer.cli import (
    attention,
    compare,
    context,
    convert,
    embed,
    inspect,
    layers,
    plot,
    quick_start,
    similar,
    tokenize,
)
from kerasformer.errors import UserError

_COMMANDS = (compare, inspect, convert, tokenize, embed, similar, plot, layers, attention, context)


def main(argv=None) -> int:
    """Runs the command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit status: 0, 2 after a mistake of the user's, 130 after Ctrl-C.
    """
    arguments = _parser().parse_args(argv)
    quick_start.install()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for stream in (sys.stdout, sys.stderr):  # names and texts in any script, on any terminal
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
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
    for module in _COMMANDS:
        module.add_to(commands)
    return parser
