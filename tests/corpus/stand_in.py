"""What stands for a model at work: vectors that are made of the texts' hashes."""

import dataclasses
import hashlib

import numpy as np

from kerasformer.corpus.embedding import Embedded
from kerasformer.errors import UserError


def vectors_of(texts, dtype="float32"):
    """`[texts, 6]`, of which no two are alike."""
    digests = [hashlib.sha256(text.encode()).digest()[:6] for text in texts]
    return np.array([list(digest) for digest in digests]).astype(dtype).reshape(-1, 6)


class StandIn:
    """Like `kerasformer.corpus.embedding.Embedding`; `model` is what its fingerprint is of."""

    model = "one"

    def __init__(self, config):
        digest = hashlib.sha256(self.model.encode()).hexdigest()
        if config.sha256 not in ("", digest):
            raise UserError("The model is another one.")
        self.advance = lambda count: None
        self.config = dataclasses.replace(config, sha256=digest, pooling=config.pooling or "mean")

    def __call__(self, texts):
        dtype = {"binary": "uint8"}.get(self.config.dtype, self.config.dtype)
        self.advance(len(texts))
        long = [text for text in texts if len(text) > 30]
        return Embedded(vectors_of(texts, dtype), len(long), sum(len(text) - 30 for text in long))
