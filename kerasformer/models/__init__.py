"""Encoders and classifiers assembled from the layers."""

from kerasformer.models.classifier import TransformerClassifier
from kerasformer.models.config import EncoderConfig
from kerasformer.models.encoder import BertEncoder

__all__ = ["BertEncoder", "EncoderConfig", "TransformerClassifier"]
