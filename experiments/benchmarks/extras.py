"""What the benchmarks need beside kerasformer itself."""

import importlib.util
import sys


def require_extra(extra, *modules):
    """Ends the script with one sentence where a package is not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not installed: pip install -e '.[{extra}]'.")
