"""What every reader of a file of tensors gives, whatever the file's format."""

from pathlib import Path
from typing import Protocol

import numpy as np


class Tensors(Protocol):
    """The tensors of a checkpoint, a mapping of names to numpy arrays, read when asked for."""

    def __getitem__(self, name: str) -> np.ndarray: ...
    def __iter__(self): ...
    def __len__(self) -> int: ...

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading it."""

    def dtype(self, name: str) -> str:
        """A tensor's type, without reading it."""

    def file(self, name: str) -> Path:
        """The file that holds it."""
