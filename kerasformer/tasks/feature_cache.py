"""Vectors of a frozen encoder, computed once and kept in files."""

import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasformer.errors import UserError
from kerasformer.files import map_array, read_json, write_array, write_whole

_MOST_IN_MEMORY = 2**30  # bytes


def new_features(shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array to fill, which is on disk where it is large.

    Raises:
        UserError: There is no room for it on disk.

    Example:

    >>> new_features((2, 3)).shape
    (2, 3)
    """
    size = 4 * math.prod(shape)
    if size <= _MOST_IN_MEMORY:
        return np.zeros(shape, "float32")
    try:
        with tempfile.TemporaryFile() as file:  # the map outlives it, and ends with the process
            if hasattr(os, "posix_fallocate"):  # a full disk would end the process later on
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, "float32", "r+", shape=shape)
    except OSError as error:
        raise UserError(
            f"Cannot keep {size:,} bytes of features in {tempfile.gettempdir()} "
            f"({error.strerror}): make room, or set TMPDIR to another folder."
        ) from None


class FeatureCache:
    """Arrays that take long to compute, each under the fingerprint of all that it follows from.

    An array is `<key>.npy`, memory-mapped when it is read, and `<key>.json` with its shape and the
    seconds that it took. Each is written beside its place and renamed there, the second one last:
    an interruption leaves no half of an array, and processes may share the folder. What is damaged
    is computed again. Nothing is ever removed: the folder is the caller's to delete.

    Args:
        folder: Where the files are; made when the first one is written.

    Attributes:
        seconds: How long computing all that `get` gave took, then or now, so that times told of
            cached work are those of the work.
        saved: Of these the seconds of what was computed earlier.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> FeatureCache(folder).get("ones", lambda: np.ones((2, 3), "float32")).shape
    (2, 3)
    >>> FeatureCache(folder).get("ones", lambda: 1 / 0).sum()  # not called
    np.float32(6.0)
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.seconds = self.saved = 0.0

    def get(self, key: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The array under a key.

        Args:
            key: The fingerprint of what the array is computed from; a part of file names.
            compute: Gives the array where it is not there.

        Returns:
            What `compute` gives or once gave, not to be written to.

        Raises:
            UserError: The folder cannot be written to.
        """
        array, seconds = self._read(key)
        self.saved += seconds
        if array is None:
            started = time.perf_counter()
            array = compute()
            seconds = time.perf_counter() - started
            self._write(key, array, seconds)
        self.seconds += seconds
        return array

    def _read(self, key):
        try:
            about = read_json(self.folder / f"{key}.json")
            array = map_array(self.folder / f"{key}.npy")
            if [array.dtype.str, list(array.shape)] == [about["dtype"], about["shape"]]:
                return array, float(about["seconds"])
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            pass  # not there, or damaged
        return None, 0.0

    def _write(self, key, array, seconds):
        about = {"dtype": array.dtype.str, "shape": list(array.shape), "seconds": seconds}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_array(self.folder / f"{key}.npy", array)
            write_whole(self.folder / f"{key}.json", json.dumps(about))
        except OSError as error:
            raise UserError(
                f"Cannot keep features in {self.folder} ({error.strerror}): make room, or name "
                "another folder."
            ) from None
