"""Corpora larger than memory: their texts embedded into shards of vectors, which can be resumed."""

from kerasformer.corpus.embedded import EmbeddedCorpus
from kerasformer.corpus.ray_tokens import encoded_on_ray
from kerasformer.corpus.run import embed_corpus

__all__ = ["EmbeddedCorpus", "embed_corpus", "encoded_on_ray"]
