"""The templates of the pages."""

from pathlib import Path

from kerasformer.errors import require


def environment(extra):
    """A jinja2 environment of this folder's templates, in which what people wrote stays text.

    Args:
        extra: The extra that the page needs, for the error where jinja2 is not installed.

    Raises:
        UserError: jinja2 is not installed.
    """
    jinja2 = require("jinja2", extra=extra)
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
