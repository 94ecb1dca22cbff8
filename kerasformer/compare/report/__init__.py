"""What a run of `kerasformer compare` found, as tables, plots and one page.

The names are imported when they are first used.
"""

import importlib

_EXPORTS = {
    "Findings": "findings",
    "format_summary": "tables",
    "load_record": "record",
    "usage": "program",
    "validate_record": "record",
    "write_findings": "write",
    "write_report": "write",
}

__all__ = list(_EXPORTS)


def __getattr__(name):
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
