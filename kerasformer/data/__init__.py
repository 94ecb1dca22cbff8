"""Labelled texts: one description of a data set, whatever it was read from."""

from kerasformer.data.dataset import LabeledDataset, Split
from kerasformer.data.load import load_dataset

__all__ = ["LabeledDataset", "Split", "load_dataset"]
