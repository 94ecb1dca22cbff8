"""The vectors of texts from every layer and every usual combination of layers, in one pass."""

from dataclasses import dataclass

import numpy as np

from kerasformer.errors import UserError

# Modes of `kerasformer.layers.SequencePooling`, of one text: tokens `[tokens, ..., hidden]`.
POOLINGS = {
    "mean": lambda tokens: tokens.mean(axis=0),
    "cls": lambda tokens: tokens[0],
    "max": lambda tokens: tokens.max(axis=0),
    "mean_sqrt_len": lambda tokens: tokens.sum(axis=0) / np.sqrt(len(tokens)),
}
# Sums are taken of the tokens: the largest of a sum is not the sum of the largest.
_SUMS = {"sum_last_four": slice(-4, None), "sum_all": slice(1, None)}
_CONCAT = "concat_last_four"


@dataclass(frozen=True, eq=False)
class LayerFeatures:
    """Pooled vectors of texts from every layer."""

    # For each pooling float32 [n, layers + sums, hidden]: embeddings, blocks, sums of layers.
    pooled: dict[str, np.ndarray]
    sums: tuple[str, ...]  # their names

    @property
    def num_layers(self) -> int:
        """The number of blocks; the embeddings are one layer more."""
        return next(iter(self.pooled.values())).shape[1] - len(self.sums) - 1

    def choices(self) -> list[int | str]:
        """What there are vectors of, each as `TextEmbedder` takes it for `layers`."""
        concat = [_CONCAT] if self.num_layers >= 4 else []
        return [*range(self.num_layers + 1), *self.sums, *concat]

    def cells(self) -> list[tuple[int | str, str]]:
        """Each choice of layers with each pooling, layer by layer."""
        return [(layers, pooling) for layers in self.choices() for pooling in self.pooled]

    def of(self, layers: int | str, pooling: str) -> np.ndarray:
        """The vectors of one of the choices, float32 `[n, width]`."""
        pooled = self.pooled[pooling]
        if layers == _CONCAT:  # any pooling works on each number apart
            last = self.num_layers
            return pooled[:, last - 3 : last + 1].reshape(len(pooled), -1)
        if isinstance(layers, str):
            layers = self.num_layers + 1 + self.sums.index(layers)
        return pooled[:, layers]

    def take(self, rows: np.ndarray) -> "LayerFeatures":
        """Those of some of the texts."""
        return LayerFeatures({name: v[rows] for name, v in self.pooled.items()}, self.sums)


def layer_features(embedder, texts, poolings=("mean", "cls", "max"), verbose=None):
    """Runs the encoder once over texts, and pools the tokens of all its layers in several ways.

    Special tokens are pooled too. `verbose` is as in `TextEmbedder.encode`.

    >>> from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "dull", "film"]
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
    >>> embedder = TextEmbedder(encoder, WordPieceTokenizer.from_vocabulary(words))
    >>> features = layer_features(embedder, ["fine film", "dull"])
    >>> features.choices(), features.of("sum_all", "max").shape
    ([0, 1, 2, 'sum_all'], (2, 128))
    """
    check_poolings(poolings)
    count = embedder.encoder.config.num_layers
    sums = tuple(name for name in _SUMS if count >= (4 if name == "sum_last_four" else 2))
    shape = (len(texts), count + 1 + len(sums), embedder.encoder.config.hidden_size)
    pooled = {name: np.empty(shape, "float32") for name in poolings}
    streamed = embedder.stream(
        texts,
        output="hidden_states",
        special_tokens=True,
        normalize=False,
        show_progress_bar=verbose,
    )
    row = -1
    for row, tokens in enumerate(streamed):
        states = tokens.vectors
        summed = [states[:, _SUMS[name]].sum(axis=1, keepdims=True) for name in sums]
        states = np.concatenate([states, *summed], axis=1)
        for name, vectors in pooled.items():
            vectors[row] = POOLINGS[name](states)
    if row < 0:
        raise UserError("No texts given: give at least one.")
    return LayerFeatures(pooled, sums)


def check_poolings(poolings):
    """Refuses unknown poolings, and the same one twice."""
    for name in poolings:
        if name not in POOLINGS:
            known = ", ".join(POOLINGS)
            raise UserError(f"Unknown pooling {name!r} for every layer: choose from {known}.")
    if not poolings or len(set(poolings)) < len(poolings):
        raise UserError(f"The poolings {' '.join(poolings)!r} must be one or more different ones.")
