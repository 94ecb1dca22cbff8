"""A quicker start: less is done while Keras is imported.

Keras imports scikit-learn with most of SciPy for its `wrappers`, and matplotlib for its
`visualization`; and Python's collector of cyclic garbage walks again and again through the growing
heap. Together they take longer than all the rest of Keras, and few programs need them.
"""

import gc
import importlib.abc
import importlib.util
import sys

from kerasformer.private_api import OPTIONAL_KERAS_MODULES
from kerasformer.registration import find_behind


class QuickKeras(importlib.abc.MetaPathFinder):
    """Finds Keras as Python does; the two corners run when first used, by Python's `LazyLoader`.

    All else in the process sees no difference. Once Keras is imported the finder is gone.
    """

    @staticmethod
    def find_spec(name, path, target=None):
        """See `importlib.abc.MetaPathFinder`."""
        if name != "keras" and name not in OPTIONAL_KERAS_MODULES:
            return None
        spec = find_behind(QuickKeras, name, path, target)
        if spec is not None and spec.loader is not None:
            loader = _Uncollected if name == "keras" else importlib.util.LazyLoader
            spec.loader = loader(spec.loader)
        return spec


class _Uncollected(importlib.abc.Loader):
    """Runs a module, and all that it imports, without the collector."""

    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            self._loader.exec_module(module)
        finally:
            sys.meta_path.remove(QuickKeras)
            if was_enabled:
                gc.enable()


def install():
    """Puts the finder before the others, until Keras is imported."""
    if "keras" not in sys.modules and QuickKeras not in sys.meta_path:
        sys.meta_path.insert(0, QuickKeras)
