"""Unpacks the tiny SavedModels that make_golden.py has written."""

import tarfile
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("golden")


def unpack_golden(folder):
    """Unpacks tiny SavedModels in TF Hub's formats.

    Args:
        folder: The folder that they go into.

    Returns:
        The paths by name: `encoder` (2 blocks, hidden 12, 3 heads, 64 entries, 16 positions, with
        `.mlm`), `preprocessor`, and `checkpoint`, the prefix of the TF2 object-based checkpoint
        with the same weights.
    """
    with tarfile.open(GOLDEN / "models.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return {path.stem: path for path in map(Path(folder).joinpath, ("encoder", "preprocessor"))} | {
        "checkpoint": Path(folder, "checkpoint", "bert-1")
    }


def golden_arrays():
    """What these models gave for some inputs when they were written, by name."""
    with np.load(GOLDEN / "outputs.npz") as arrays:
        return dict(arrays)
