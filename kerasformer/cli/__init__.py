"""The `kerasformer` command: each of its commands is a module.

Its docstring is the help; it has `add_options(parser)` and `run(arguments)`.
"""

import argparse
import difflib
import functools
import importlib
import os
import re
import signal
import sys
import threading
import warnings

import kerasformer
from kerasformer.cli import quick_start
from kerasformer.errors import UserError, needing_backend, needing_memory
from kerasformer.files import path_errors
from kerasformer.formatting import readable
from kerasformer.progress import say

_COMMANDS = (
    *("compare", "pretrain", "train", "tune", "evaluate", "predict", "inspect", "convert"),
    *("tokenize", "embed", "similar", "plot", "layers", "attention", "context", "vocab"),
    "corpus",
)


def main(argv=None) -> int:
    """Runs the command; returns its exit status: 0, 2 after a user's mistake, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    quick_start.install()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for stream in (sys.stdout, sys.stderr):  # names and texts in any script, on any terminal
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    format_warning, ignoring = warnings.formatwarning, sys.unraisablehook
    sys.unraisablehook = functools.partial(_interrupt_again, ignoring)
    warnings.formatwarning = lambda text, *rest: format_warning(readable(str(text)), *rest)
    try:
        with path_errors(), needing_backend(), needing_memory():
            arguments.run(arguments)
    except UserError as error:
        say(f"kerasformer: {error}")
        return 2
    except KeyboardInterrupt as interruption:  # which may say what is done, and how to continue
        done = f"; {interruption}" if str(interruption) else ""
        say(f"kerasformer: interrupted{done}.")
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        warnings.formatwarning, sys.unraisablehook = format_warning, ignoring
    return 0


def _interrupt_again(otherwise, unraisable):
    """Repeats a Ctrl-C that was lost where Python ignores errors, which are told `otherwise`.

    JAX has the garbage collector call back, which is where most find a process that tokenizes.
    """
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        again = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        otherwise(unraisable)


def _parser():
    parser = _Parser(
        prog="kerasformer",
        description="Transformers from scratch and pretrained BERT, in Keras 3.",
    )
    parser.add_argument(
        "--version", action="version", version=f"kerasformer {kerasformer.__version__}"
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        module = importlib.import_module(f"kerasformer.cli.{name}")
        summary, _, description = (module.__doc__ or "").partition("\n\n")
        summary = summary[:1].lower() + summary[1:].rstrip(".")
        command = commands.add_parser(name, help=summary, description=description)
        module.add_options(command)
        command.set_defaults(run=module.run)
    return parser


class _Parser(argparse.ArgumentParser):
    """Suggests what an unknown option, command or choice was meant to be."""

    def parse_known_args(self, args=None, namespace=None):
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:  # here, where the options of the command are known
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def error(self, message):
        unknown = re.search(r"(?:invalid choice: '|arguments: (?=-))([^\s='\"]+)", message)
        if unknown:
            choices = message.partition("choose from")[2]
            words = re.findall(r"[\w.-]+", choices) or re.findall(r"--[\w-]+", self.format_help())
            near = difflib.get_close_matches(unknown[1], words, n=1)
            message += f"; did you mean {near[0]}?" if near else ""
        super().error(message)
