"""Texts to vectors: of sentences, words and tokens, from any layer of a pretrained encoder."""

from kerasformer.embedder.embedder import TextEmbedder
from kerasformer.embedder.results import TokenVectors, TruncationWarning, WordVectors

__all__ = ["TextEmbedder", "TokenVectors", "TruncationWarning", "WordVectors"]
