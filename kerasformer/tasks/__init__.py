"""Models that are trained or answer: a head on a pretrained encoder, or all from scratch."""

from kerasformer.tasks.answering.answers import Answer
from kerasformer.tasks.answering.question_answerer import QuestionAnswerer
from kerasformer.tasks.choosing.multiple_choice import Choice, MultipleChoice
from kerasformer.tasks.feature_cache import FeatureCache
from kerasformer.tasks.loading import load
from kerasformer.tasks.pretraining.causal_language_model import CausalLanguageModel
from kerasformer.tasks.pretraining.distillation import Distillation
from kerasformer.tasks.pretraining.fill_mask import FilledMask
from kerasformer.tasks.pretraining.masked_language_model import MaskedLanguageModel
from kerasformer.tasks.pretraining.model import PretrainingModel
from kerasformer.tasks.pretraining.next_sentence import NextSentencePredictor
from kerasformer.tasks.tagging.entities import Entity
from kerasformer.tasks.tagging.token_classifier import TokenClassifier
from kerasformer.tasks.texts.recurrent_classifier import RecurrentClassifier
from kerasformer.tasks.texts.static_classifier import StaticClassifier
from kerasformer.tasks.texts.text_classifier import TextClassifier
from kerasformer.tasks.texts.transformer_classifier import TransformerClassifier

__all__ = [
    "Answer",
    "CausalLanguageModel",
    "Choice",
    "Distillation",
    "Entity",
    "FeatureCache",
    "FilledMask",
    "MaskedLanguageModel",
    "MultipleChoice",
    "NextSentencePredictor",
    "PretrainingModel",
    "QuestionAnswerer",
    "RecurrentClassifier",
    "StaticClassifier",
    "TextClassifier",
    "TokenClassifier",
    "TransformerClassifier",
    "load",
]
