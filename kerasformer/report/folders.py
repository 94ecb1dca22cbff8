"""The folders that commands write what they found to."""

import datetime
import re
from pathlib import Path

from kerasformer.errors import UserError

RESULTS = Path("results")


def new_folder(command: str, name: str) -> Path:
    """A folder under `results/` that no other run has; not made yet.

    Args:
        command: The command.
        name: What it works on.

    Example:

    >>> new_folder("compare", "my reviews").name[:19]
    'compare-my-reviews-'
    """
    name = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:40] or "data"
    return RESULTS / f"{command}-{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def refuse_used(folder: Path | None, remedy: str = ""):
    """Refuses a folder to write to that holds something.

    Args:
        folder: The folder, or None.
        remedy: What else to do than to give another one.

    Raises:
        UserError: It is a file, or not empty.
    """
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"The output {folder} is a file; give a folder.")
    if any(folder.iterdir()):
        raise UserError(f"The output folder {folder} is not empty; give another{remedy}.")
