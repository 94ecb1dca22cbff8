"""From a pool of texts to the vectors of a static model: the means of their tokens' vectors."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from kerasformer.embedder.documents import token_ids
from kerasformer.embedder.options import EncodeOptions
from kerasformer.embedder.pipeline import Pipeline
from kerasformer.errors import UserError

_TOKENS_AT_ONCE = 2**14
# What an option has to be: a token has one vector, and nothing stands around a text.
_ONLY = {"output": "sentence", "pooling": ("mean",), "long": "truncate"}


@dataclasses.dataclass
class StaticPipeline(Pipeline):
    """The pipeline of a `StaticEncoder`, which needs no rows, windows or padding."""

    def __post_init__(self):
        if not self.include_prompt:
            raise UserError(
                "include_prompt is False, but a static model takes the mean of all tokens: leave "
                "include_prompt out."
            )

    def shape(self, options: EncodeOptions) -> tuple[int, ...]:
        """See `Pipeline.shape`."""
        for name, only in _ONLY.items():
            if getattr(options, name) != only:
                raise UserError(
                    f"{name} is {getattr(options, name)!r}, but a static model has one vector for "
                    f"each token and takes the mean of a text's: leave {name} out."
                )
        layers = options.layers
        if layers.indices(2) != (1,) or layers.combine in ("stack", "scalar_mix"):
            raise UserError("A static model has no layers: leave layers and combine out.")
        return super().shape(options)

    def read_pool(self, pool, options):
        """The ids of each text."""
        if pool and pool[0][1] is not None:
            raise UserError("A static model takes no pairs: join the two texts.")
        return [one for one, _ in token_ids(self.tokenizer, pool, options.prompt)]

    def run_pool(self, pool, options, progress, begun=0, has_all=True):
        """See `Pipeline.run_pool`."""
        cut = np.array([max(len(one) - self.max_length, 0) for one in pool], np.int64)
        means = self._means([one[: self.max_length] for one in pool])
        vectors = self._finish(self._last_layers(means, options), options, begun)
        progress.advance(len(pool))
        return vectors, cut

    def _means(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """The mean of each text's vectors, float32 `[texts, width]`; zeros of no tokens."""
        lengths = np.array([len(one) for one in ids], np.int64)
        owners = np.repeat(np.arange(len(ids)), lengths)
        flat = np.fromiter((number for one in ids for number in one), np.int32, len(owners))
        sums = np.zeros((len(ids), self.encoder.config.hidden_size))
        for start in range(0, len(flat), _TOKENS_AT_ONCE):
            part, own = (each[start : start + _TOKENS_AT_ONCE] for each in (flat, owners))
            filled = np.resize(part, 1 << (len(part) - 1).bit_length())  # few shapes to compile
            vectors = self.encoder(filled)
            vectors = keras.ops.convert_to_numpy(keras.ops.cast(vectors, "float32"))[: len(part)]
            firsts = np.flatnonzero(np.diff(own, prepend=-1))
            sums[own[firsts]] += np.add.reduceat(vectors, firsts, axis=0, dtype="float64")
        return (sums / np.maximum(lengths, 1)[:, None]).astype("float32")
