"""What results of a model follow from, as one number to know them again by."""

import hashlib
import json
from collections.abc import Iterable

import keras


def fingerprint(settings: dict, weights: Iterable, texts: Iterable[str]) -> str:
    """The sha256 over settings, a model's weights and texts, in their order.

    Args:
        settings: What else the results follow from, ready for JSON.
        weights: Keras variables.
        texts: The texts.

    Example:

    >>> one, other = (fingerprint({"pooling": "mean"}, [], texts) for texts in (["ab"], ["a", "b"]))
    >>> one == other
    False
    """
    digest = hashlib.sha256()

    def add(part: bytes):
        digest.update(len(part).to_bytes(8, "little"))  # no two lists of parts look the same
        digest.update(part)

    add(json.dumps(settings, sort_keys=True).encode())
    for weight in weights:
        array = keras.ops.convert_to_numpy(weight)
        add(f"{array.dtype} {array.shape}".encode())
        add(array.tobytes())
    for text in texts:
        add(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
