"""Where models and data come from: paths, presets and hubs, through a cache of checked files."""

from kerasformer.sources.presets import PRESETS
from kerasformer.sources.resolve import is_offline, resolve

__all__ = ["PRESETS", "is_offline", "resolve"]
