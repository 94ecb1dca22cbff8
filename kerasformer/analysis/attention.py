"""Which token attends to which: the attention maps of every block and head, and what heads do."""

import dataclasses

import numpy as np

from kerasformer.plots.heatmap import heat_map, heat_map_grid
from kerasformer.text import pack

_LABELLED = 12  # tokens; more of them have no names in the small maps


@dataclasses.dataclass(frozen=True)
class AttentionMaps:
    """The attention of a text's tokens to each other, in every block and head.

    Attributes:
        tokens: The tokens, special tokens included.
        segments: The segment of each, 0 for the text and 1 for its pair.
        weights: float32 `[blocks, heads, tokens, tokens]`: in each row, which sums to 1, how much
            a token takes from each token.
        cls: Whether each token is the one that begins the sequence, bool `[tokens]`.
        sep: Whether each token is one that ends a text, bool `[tokens]`.
        left_out: How many tokens were cut off, because the encoder has no positions for them.
    """

    tokens: list[str]
    segments: list[int]
    weights: np.ndarray
    cls: np.ndarray
    sep: np.ndarray
    left_out: int = 0


@dataclasses.dataclass(frozen=True)
class HeadSummary:
    """What a head attends to, on average over the tokens of a text.

    The shares of attention, from 0 to 1, overlap (the previous token may be `[CLS]`), and their sum
    is not 1. `previous` and `next` are over the tokens that have such a neighbour.

    Attributes:
        block: The block, from 1.
        head: The head, from 1.
        cls: Attention to `[CLS]`.
        sep: Attention to `[SEP]`, to all of them together.
        previous: Attention to the token before.
        same: Attention to the token itself.
        next: Attention to the token behind.
        entropy: Of a token's attention, in nats: 0 where it is to one token, and the logarithm
            of the number of tokens where it is to all alike.
    """

    block: int
    head: int
    cls: float
    sep: float
    previous: float
    same: float
    next: float
    entropy: float


def attention_maps(encoder, tokenizer, text: str, pair: str | None = None) -> AttentionMaps:
    """The attention weights of every block and head for a text, or a pair of texts.

    Of what is longer than the encoder's positions, they are those of its beginning.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`.
        text: The text.
        pair: A second text.

    Raises:
        UserError: The text or its pair is not a str.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "film"]
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(words)
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
    >>> maps = attention_maps(encoder, tokenizer, "Fine film")
    >>> maps.tokens, maps.weights.shape
    (['[CLS]', 'fine', 'film', '[SEP]'], (2, 2, 4, 4))
    """
    pairs = None if pair is None else [pair]
    whole = tokenizer.tokenize([text], pairs)
    tokenized = tokenizer.tokenize([text], pairs, max_length=encoder.config.max_length)
    scores = encoder(pack(tokenized), outputs=["attention_scores"], training=False)
    ids = np.array(tokenized.ids[0])
    return AttentionMaps(
        tokens=[tokenizer.backend.id_to_token(token_id) for token_id in ids.tolist()],
        segments=tokenized.type_ids[0],
        weights=np.stack([np.asarray(block, "float32")[0] for block in scores["attention_scores"]]),
        cls=ids == tokenizer.cls_id,
        sep=ids == tokenizer.sep_id,
        left_out=int(whole.lengths[0] - tokenized.lengths[0]),
    )


def summarize_heads(maps: AttentionMaps) -> list[HeadSummary]:
    """What each head of each block attends to: special tokens, neighbours, or many tokens at once.

    Clark et al., "What Does BERT Look At?", https://arxiv.org/abs/1906.04341, sections 3.1 to 3.3.

    Example:

    >>> even = np.full([1, 1, 4, 4], 0.25)
    >>> ends = np.array([True, False, False, False]), np.array([False, False, False, True])
    >>> maps = AttentionMaps(["[CLS]", "a", "b", "[SEP]"], [0] * 4, even, *ends)
    >>> head = summarize_heads(maps)[0]
    >>> head.cls, head.next, round(head.entropy, 4)
    (0.25, 0.25, 1.3863)
    """
    weights = maps.weights.astype("float64")
    before, same, behind = (np.diagonal(weights, k, axis1=-2, axis2=-1) for k in (-1, 0, 1))
    logarithms = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
    measures = [
        weights[..., maps.cls].sum(-1).mean(-1),
        weights[..., maps.sep].sum(-1).mean(-1),
        before.mean(-1),
        same.mean(-1),
        behind.mean(-1),
        -(weights * logarithms).sum(-1).mean(-1),
    ]
    return [
        HeadSummary(block + 1, head + 1, *(float(measure[block, head]) for measure in measures))
        for block, head in np.ndindex(weights.shape[:2])
    ]


def plot_heads(maps: AttentionMaps, block: int | None = None) -> bytes:
    """A PNG of all heads, small and side by side, a line a block; or of one block, from 1."""
    blocks = range(1, len(maps.weights) + 1) if block is None else [block]
    heads = maps.weights.shape[1]
    return heat_map_grid(
        [head for number in blocks for head in maps.weights[number - 1]],
        [f"block {number}, head {head}" for number in blocks for head in range(1, heads + 1)],
        columns=heads if block is None else min(heads, 4),
        value_label="Attention weight",
        title="Attention from each token (row) to each token (column)",
        labels=maps.tokens if block is not None and len(maps.tokens) <= _LABELLED else None,
        limits=(0, 1),
    )


def plot_head(maps: AttentionMaps, block: int, head: int) -> bytes:
    """A PNG of one head, large, with its tokens; block and head count from 1."""
    return heat_map(
        maps.weights[block - 1, head - 1],
        maps.tokens,
        maps.tokens,
        value_label="Attention weight",
        row_axis="From the token",
        column_axis="To the token",
        title=f"Block {block}, head {head}",
        limits=(0, 1),
    )
