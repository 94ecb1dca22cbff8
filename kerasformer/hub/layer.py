"""What both layers share: a SavedModel, held by reference when the layer is saved."""

import os

import keras

from kerasformer.errors import UserError
from kerasformer.hub.known import is_known, remember
from kerasformer.hub.saved_model import content_fingerprint, find_saved_model, load_saved_model
from kerasformer.private_api import in_safe_mode


class HubLayer(keras.layers.Layer):
    """A layer that runs a SavedModel's graph as it is.

    Its configuration names the SavedModel and the sha256 of its content, and a saved model is
    loaded only where both hold true and a person has made a layer on this content before: see
    `kerasformer.hub.known`.

    Args:
        source: The SavedModel: its folder, or a handle that `kerasformer.resolve` takes.
        fingerprint: The `content_fingerprint` that it must have; by default any.
        **kwargs: Keras arguments of the layer, such as `name`.
    """

    def __init__(self, source, fingerprint=None, **kwargs):
        if keras.backend.backend() != "tensorflow":
            raise UserError(
                f"{type(self).__name__} runs a TensorFlow graph, and Keras runs on "
                f"{keras.backend.backend()} here: set KERAS_BACKEND=tensorflow, or read the "
                "weights into a BertEncoder, which runs on any backend."
            )
        super().__init__(**kwargs)
        self.folder = find_saved_model(source)
        self.source = os.fspath(source)
        self.fingerprint = content_fingerprint(self.folder)
        if fingerprint not in (None, self.fingerprint):
            raise UserError(
                f"{self.source} has changed: its content has the fingerprint "
                f"{self.fingerprint[:12]}..., and {str(fingerprint)[:12]}... was saved; bring back "
                "the earlier SavedModel, or make the model anew."
            )
        self.saved_model = load_saved_model(self.folder)
        remember(self.fingerprint)
        self.autocast = False  # ids given as floats do not fit into float16
        self.supports_jit = False  # strings and hash tables are not for XLA; nothing is rewritten

    @classmethod
    def from_config(cls, config):
        """The layer on the same SavedModel.

        Raises:
            UserError: The SavedModel is not there, has changed, or no person has made a layer on
                it here before, except with `safe_mode=False`.
        """
        known = is_known(config.get("fingerprint"))
        if not known and in_safe_mode() is not False:
            source = config.get("source")
            raise UserError(
                f"The saved model would run the SavedModel {source!r}, which nobody has used here "
                f"before: if you trust it, make {cls.__name__}({source!r}) once yourself, or load "
                "with safe_mode=False."
            )
        return cls(**config)  # super() would turn errors into a TypeError with the whole config

    def get_config(self):
        """The constructor's arguments; the SavedModel is only named."""
        return {
            **super().get_config(),
            "source": self.source,
            "fingerprint": self.fingerprint,
        }
