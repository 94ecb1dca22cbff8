"""Data sets of every task, one description of each kind whatever it was read from; raw text."""

from kerasformer.data.answering import AnsweringDataset, AnswerSplit
from kerasformer.data.labeled import LabeledDataset, Split
from kerasformer.data.load import load_dataset
from kerasformer.data.raw import Documents, TokenCorpus
from kerasformer.data.tagging import TaggedSplit, TaggingDataset

__all__ = [
    "AnswerSplit",
    "AnsweringDataset",
    "Documents",
    "LabeledDataset",
    "Split",
    "TaggedSplit",
    "TaggingDataset",
    "TokenCorpus",
    "load_dataset",
]
