"""The templates of the pages."""

from pathlib import Path

from kerasformer.errors import require


def environment(extra, *folders):
    """A jinja2 environment of templates, in which what people wrote stays text.

    Args:
        extra: The extra that the page needs, for the error where jinja2 is not installed.
        *folders: Further folders of templates, which may include this one's.

    Raises:
        UserError: jinja2 is not installed.
    """
    jinja2 = require("jinja2", extra=extra)
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
