"""Options of how a command trains: on which devices, with which logs, and from where on."""

import argparse

from kerasformer.errors import require
from kerasformer.files import expanded


def add_running(command, resume: str):
    """Adds `--log`, `--devices` and `--resume`.

    Args:
        command: The parser of the command.
        resume: The help of the last.
    """
    command.add_argument(
        "--log",
        metavar="DIR",
        help="write TensorBoard's logs and history.csv into this folder",
    )
    command.add_argument(
        "--devices",
        metavar="N",
        type=_devices,
        help="devices of this machine that share each batch, or all (default: 1)",
    )
    command.add_argument("--resume", action="store_true", help=resume)


def _devices(given: str) -> int | str:
    """The value of `--devices`."""
    if given == "all":
        return given
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(
            f"{given!r} is neither a whole number of at least 1 nor 'all'"
        )
    return int(given)


def on_devices(devices: int | str):
    """The scope of all that is done on so many devices."""
    from kerasformer.models.distribution import several_devices

    return several_devices(None if devices == "all" else int(devices))


def logs(folder: str | None) -> list:
    """Keras' callbacks that write logs into a folder."""
    if folder is None:
        return []
    require("tensorflow", what="--log")
    import keras

    target = expanded(folder)
    target.mkdir(parents=True, exist_ok=True)
    board = keras.callbacks.TensorBoard(str(target))
    return [board, keras.callbacks.CSVLogger(target / "history.csv", append=True)]
