"""Where weights and data come from, and other people's formats of them."""

from kerasformer.checkpoints.presets import PRESETS
from kerasformer.checkpoints.resolve import resolve

__all__ = ["PRESETS", "resolve"]
