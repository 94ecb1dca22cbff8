"""TF Hub's text SavedModels as Keras 3 layers, their graphs run as they are."""

from kerasformer.hub.encoder import HubEncoder
from kerasformer.hub.preprocessor import HubPreprocessor

__all__ = ["HubEncoder", "HubPreprocessor"]
