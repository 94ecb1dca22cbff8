"""Which SavedModels a person has chosen to run: no other is run for the sake of a saved model.

A `.keras` file names the SavedModels that its layers run. A stranger's file may name anything, so
it may only name content that has run here before because a person made a layer on it. Each such
content is an empty file in the cache, `<root>/run-as-is/<fingerprint>`.
"""

import contextlib
import re

from kerasformer.sources.cache import default_root

_trusted_by_this_process: set[str] = set()


def trust(fingerprint: str) -> None:
    """Remembers that a person has run this content; where the cache cannot be written to, until the
    process ends.
    """
    _trusted_by_this_process.add(fingerprint)
    with contextlib.suppress(OSError):
        _file(fingerprint).parent.mkdir(parents=True, exist_ok=True)
        _file(fingerprint).touch()


def is_trusted(fingerprint) -> bool:
    """Whether a person has run this content; a file may give anything as its fingerprint."""
    if not isinstance(fingerprint, str) or not re.fullmatch(r"[0-9a-f]{64}", fingerprint):
        return False
    return fingerprint in _trusted_by_this_process or _file(fingerprint).is_file()


def _file(fingerprint: str):
    return default_root() / "run-as-is" / fingerprint
