"""Texts in any form as a TensorFlow tensor of strings."""

import keras

from kerasformer.layers.arguments import check_rank
from kerasformer.text.texts import check_texts


def as_strings(texts, name="texts"):
    """Turns texts into a tensor of strings.

    Args:
        texts: A list, an array or another iterable of str; or a tensor of strings `[batch]`, also
            one of a graph or of a functional model.
        name: What error messages call them.

    Returns:
        A `tf.string` tensor `[batch]`; a tensor as it is.

    Raises:
        ValueError: They are something else.

    Example:

    >>> as_strings(["one text"]).shape
    TensorShape([1])
    """
    import tensorflow as tf

    if not (tf.is_tensor(texts) or isinstance(texts, keras.KerasTensor)):
        if getattr(getattr(texts, "dtype", None), "kind", None) != "S":  # an array of bytes
            texts = check_texts(texts, name)
        texts = tf.constant(texts, tf.string)
    if texts.dtype != "string":
        raise ValueError(f"{name} has the dtype {tf.as_dtype(texts.dtype).name}, not string.")
    check_rank(name, texts, "[batch]")
    return texts
