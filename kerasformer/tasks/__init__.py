"""Models that are trained or answer: a head on a pretrained encoder, or all from scratch."""

from kerasformer.tasks.answers import Answer
from kerasformer.tasks.entities import Entity
from kerasformer.tasks.feature_cache import FeatureCache
from kerasformer.tasks.fill_mask import FilledMask
from kerasformer.tasks.loading import load
from kerasformer.tasks.masked_language_model import MaskedLanguageModel
from kerasformer.tasks.multiple_choice import Choice, MultipleChoice
from kerasformer.tasks.next_sentence import NextSentencePredictor
from kerasformer.tasks.pretraining import PretrainingModel
from kerasformer.tasks.question_answerer import QuestionAnswerer
from kerasformer.tasks.text_classifier import TextClassifier
from kerasformer.tasks.token_classifier import TokenClassifier
from kerasformer.tasks.transformer_classifier import TransformerClassifier

__all__ = [
    "Answer",
    "Choice",
    "Entity",
    "FeatureCache",
    "FilledMask",
    "MaskedLanguageModel",
    "MultipleChoice",
    "NextSentencePredictor",
    "PretrainingModel",
    "QuestionAnswerer",
    "TextClassifier",
    "TokenClassifier",
    "TransformerClassifier",
    "load",
]
