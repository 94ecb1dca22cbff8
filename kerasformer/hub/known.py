"""Which SavedModels a person has chosen to run: no other is run for the sake of a saved model.

A `.keras` file names the SavedModels that its layers run. A stranger's file may name anything, so
that it may only name content that has run here before because a person made a layer on it. This
is remembered in the cache, in an empty file `<root>/run-as-is/<fingerprint>` for each.
"""

import re

from kerasformer.sources.cache import default_root

_known_to_this_process = set()


def remember(fingerprint: str):
    """Remembers that a person has had this content run; where the cache cannot be written, only
    until the process ends.

    Args:
        fingerprint: The SavedModel's `content_fingerprint`.
    """
    _known_to_this_process.add(fingerprint)
    try:
        _file(fingerprint).parent.mkdir(parents=True, exist_ok=True)
        _file(fingerprint).touch()
    except OSError:
        pass


def is_known(fingerprint) -> bool:
    """Whether a person has had this content run.

    Args:
        fingerprint: What a file says is the SavedModel's fingerprint; it may be anything.
    """
    if not isinstance(fingerprint, str) or not re.fullmatch(r"[0-9a-f]{64}", fingerprint):
        return False
    return fingerprint in _known_to_this_process or _file(fingerprint).is_file()


def _file(fingerprint):
    return default_root() / "run-as-is" / fingerprint
