"""What results of a model follow from, as one number to know them again by."""

import hashlib
import json
from collections.abc import Iterable

import keras


def rows_fingerprint(weights: Iterable) -> str:
    """The sha256 of the first row of each of a model's weights, and of vectors as a whole.

    It is quick, and that of other training is another.

    Args:
        weights: Keras variables.

    Example:

    >>> one, other = (keras.Variable([[0.0, 1.0], [last, 3.0]]) for last in (2.0, 9.0))
    >>> rows_fingerprint([one]) == rows_fingerprint([other])
    True
    """
    return fingerprint({}, (w[0] if len(w.shape) > 1 else w[...] for w in weights), [])


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
