"""What the benchmarks share: packages beside kerasformer, and the processes of the sides."""

import importlib.util
import multiprocessing
import sys

from kerasformer.child_process import end_with_parent


def require_extra(extra, *modules):
    """Ends the script with one sentence where a package is not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not installed: pip install -e '.[{extra}]'.")


def is_plain(name):
    """Whether a parameter is left out of weight decay: biases and LayerNorm."""
    return name.endswith("bias") or "LayerNorm" in name


def start(target, *arguments):
    """Runs one side in a process of its own; gives the pipe to it, and what it calls itself."""
    context = multiprocessing.get_context("spawn")
    connection, theirs = context.Pipe()
    process = context.Process(target=_run, args=(target, theirs, *arguments), daemon=True)
    process.start()
    return connection, connection.recv()


def _run(target, *arguments):
    end_with_parent()
    target(*arguments)
