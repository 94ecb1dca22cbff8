"""Models with a head on a pretrained encoder."""

from kerasformer.tasks.text_classifier import TextClassifier

__all__ = ["TextClassifier"]
