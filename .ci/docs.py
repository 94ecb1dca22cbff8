"""Builds the API pages from the docstrings: `python .ci/docs.py FOLDER`. A warning is an error."""

import inspect
import sys
import warnings
from pathlib import Path

import pdoc

import kerasformer


def main(folder):
    members = [getattr(kerasformer, name) for name in kerasformer.__all__]
    for module in (kerasformer, *filter(inspect.ismodule, members)):
        for name in module.__all__:  # pdoc looks for them where lazy imports do not leave them
            setattr(module, name, getattr(module, name))
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pdoc.pdoc("kerasformer", output_directory=Path(folder))


if __name__ == "__main__":
    main(sys.argv[1])
