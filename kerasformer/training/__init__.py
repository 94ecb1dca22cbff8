"""The optimizer and the metrics that fine-tuning needs."""

from kerasformer.training.metrics import classification_metrics
from kerasformer.training.optimizer import WarmupLinearDecay, adamw
from kerasformer.training.recipe import Recipe

__all__ = ["Recipe", "WarmupLinearDecay", "adamw", "classification_metrics"]
