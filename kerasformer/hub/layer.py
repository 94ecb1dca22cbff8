"""What both layers share: a SavedModel, held by reference when the layer is saved."""

import os
from typing import Any, Self

import keras

from kerasformer.errors import UserError
from kerasformer.hub.saved_model import (
    content_fingerprint,
    find_saved_model,
    is_trusted,
    load_saved_model,
    trust,
)
from kerasformer.layers.arguments import check_rank
from kerasformer.models.process import check_process
from kerasformer.private_api import in_safe_mode
from kerasformer.text.texts import check_texts


class HubLayer(keras.layers.Layer):
    """A layer that runs a SavedModel's graph as it is.

    Its configuration names the SavedModel and the sha256 of its content. A saved model is loaded
    only where that content is there and trusted.
    """

    def __init__(self, source: str | os.PathLike, fingerprint: str | None = None, **kwargs: Any):
        if keras.backend.backend() != "tensorflow":
            raise UserError(
                f"{type(self).__name__} runs a TensorFlow graph, but Keras uses the backend "
                f"{keras.backend.backend()}: set KERAS_BACKEND=tensorflow, where TensorFlow is "
                "installed (pip install tensorflow), or load the weights into a BertEncoder, which "
                "runs on any backend."
            )
        check_process()
        super().__init__(**kwargs)
        self.folder = find_saved_model(source)
        self.source = os.fspath(source)
        self.fingerprint = content_fingerprint(self.folder)
        if fingerprint not in (None, self.fingerprint):
            raise UserError(
                f"{self.source} has changed: its content has the fingerprint "
                f"{self.fingerprint[:12]}..., expected {str(fingerprint)[:12]}...: restore the "
                "earlier SavedModel, or build the model again."
            )
        self.saved_model = load_saved_model(self.folder)
        trust(self.fingerprint)
        self.autocast = False  # ids given as floats do not fit into float16
        self.supports_jit = False  # strings and hash tables are not for XLA; nothing is rewritten

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As of any Keras layer."""
        check_process()
        return super().__call__(*args, **kwargs)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer on the same SavedModel, trusted unless Keras loads with `safe_mode=False`."""
        if not is_trusted(config.get("fingerprint")) and in_safe_mode() is not False:
            source = config.get("source")
            raise UserError(
                f"The saved model would run the SavedModel {source!r}, which has not been used on "
                f"this machine before: if you trust it, call {cls.__name__}({source!r}) once "
                "yourself, or load with safe_mode=False."
            )
        return cls(**config)  # super() would turn errors into a TypeError with the whole config

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the SavedModel is only named."""
        ours = {"source": self.source, "fingerprint": self.fingerprint}
        return {**super().get_config(), **ours}


def string_tensor(texts: Any, name: str = "texts") -> Any:
    """Texts as a tensor of strings `[batch]`; such a tensor, symbolic too, as it is."""
    import tensorflow as tf

    if not (tf.is_tensor(texts) or isinstance(texts, keras.KerasTensor)):
        if getattr(getattr(texts, "dtype", None), "kind", None) != "S":  # an array of bytes
            texts = check_texts(texts, name)
        texts = tf.constant(texts, tf.string)
    if texts.dtype != "string":
        raise ValueError(f"{name} has the dtype {tf.as_dtype(texts.dtype).name}: expected string.")
    check_rank(name, texts, "[batch]")
    return texts
