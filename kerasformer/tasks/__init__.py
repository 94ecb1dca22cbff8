"""Models with a head on a pretrained encoder."""

from kerasformer.tasks.pretraining import (
    MaskedLanguageModel,
    NextSentencePredictor,
    PretrainingModel,
)
from kerasformer.tasks.question_answerer import QuestionAnswerer
from kerasformer.tasks.text_classifier import TextClassifier
from kerasformer.tasks.token_classifier import TokenClassifier

__all__ = [
    "MaskedLanguageModel",
    "NextSentencePredictor",
    "PretrainingModel",
    "QuestionAnswerer",
    "TextClassifier",
    "TokenClassifier",
]
