"""Raw text: documents and their sentences, and the corpus of token ids for pretraining."""

from kerasformer.data.raw.documents import Documents
from kerasformer.data.raw.sentences import split_sentences
from kerasformer.data.raw.token_corpus import TokenCorpus

__all__ = ["Documents", "TokenCorpus", "split_sentences"]
