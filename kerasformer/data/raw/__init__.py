"""Raw text: documents and their sentences, and the corpus of token ids for pretraining."""

from kerasformer.data.raw.sentences import split_sentences
from kerasformer.data.raw.token_corpus import TokenCorpus

__all__ = ["TokenCorpus", "split_sentences"]
