"""Keras finds the package's classes by name, in a file of its own, before anything has used them.

A class registers itself with Keras where its module is imported, and `import kerasformer` imports
none. So the modules are imported when Keras first looks a name up.
"""

import importlib
import sys
from typing import Any

_REGISTERING = (
    *("hub", "layers", "models.decoder", "models.encoder", "models.static", "tasks", "training"),
)


def import_all() -> None:
    """Imports everything that registers with Keras."""
    for name in _REGISTERING:
        importlib.import_module(f"kerasformer.{name}")


def register_on_demand() -> None:
    """Has Keras import what the package registers at its first look-up, now or once it is there."""
    if "keras" not in sys.modules:
        sys.meta_path.insert(0, _AfterKeras())
        return
    from kerasformer.private_api import before_first_look_up

    before_first_look_up(import_all)


def find_behind(finder: Any, name: str, path: Any = None, target: Any = None) -> Any:
    """The spec of a module by the finders of `sys.meta_path` behind one of them, or None."""
    others = sys.meta_path[sys.meta_path.index(finder) + 1 :]
    specs = (other.find_spec(name, path, target) for other in others)
    return next(filter(None, specs), None)


class _AfterKeras:
    """Finds Keras as Python does, and has `register_on_demand` run after it; then it is gone."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """See `importlib.abc.MetaPathFinder`."""
        if name != "keras":
            return None
        spec = find_behind(self, name, path, target)
        if spec is not None and spec.loader is not None:
            self._extend(spec.loader)
        return spec

    def _extend(self, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module):
            del loader.exec_module  # the class's own again
            execute(module)
            sys.meta_path.remove(self)
            register_on_demand()

        loader.exec_module = exec_module
