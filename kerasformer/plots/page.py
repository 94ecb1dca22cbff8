"""The templates of the pages."""

from pathlib import Path

from kerasformer.errors import require


def environment(extra, *folders):
    """A jinja2 environment that escapes all values, of templates in `folders` and this one."""
    jinja2 = require("jinja2", extra=extra)
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
