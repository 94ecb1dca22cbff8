"""Static vectors of an encoder's own vocabulary."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.models.encoder import BertEncoder
from kerasformer.models.static_vectors import StaticVectors
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.texts import check_texts

_TOKENS_AT_ONCE = 1024
SIF = 1e-4


def distil_static(
    encoder: BertEncoder,
    tokenizer: WordPieceTokenizer,
    texts: Iterable[str] | None = None,
    *,
    width: int | None = None,
    sif: float | None = SIF,
    only: Iterable[str] | None = None,
) -> StaticVectors:
    """Makes a static vector for each token of an encoder, by running the token through it alone.

    As model2vec does (https://github.com/MinishLab/model2vec): the mean of the last block's vectors
    of `[CLS] token [SEP]`, of fewer dimensions by PCA if wanted, and weighted by how rare the token
    is. A token of the probability p weighs `sif / (sif + p)`, the smooth inverse frequency of Arora
    et al. (2017, https://openreview.net/forum?id=SyK00v5xx): that is what makes a plain mean of
    vectors a good vector of a text, in which frequent words say little.

    Args:
        encoder: The encoder.
        tokenizer: Its tokenizer.
        texts: Texts in which the tokens are counted, for their probabilities; by default these are
            Zipf's, inverse to a token's place in the vocabulary, which is by falling frequency in
            BERT's.
        width: The dimensions to keep; by default all.
        sif: The weighting's parameter; None leaves all tokens at the same weight.
        only: Texts whose tokens alone get a vector, which takes less time; by default all of the
            vocabulary do. A token's vector is the same either way, unless there is a `width`.

    Returns:
        The vectors of the tokens, without that of padding, and the tokenizer.

    Raises:
        UserError: A text is no str, or `sif` or `width` is out of range.

    Example:

    >>> from kerasformer.models import EncoderConfig
    >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "film"]
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(tokens)))
    >>> distil_static(encoder, WordPieceTokenizer.from_vocabulary(tokens), width=2)
    StaticVectors(5 words, width=2)
    """
    if sif is not None and not sif > 0:
        raise UserError(f"sif is {sif!r}: expected a number above 0, or None.")
    tokens = tokenizer.vocabulary()
    wanted = set(range(len(tokens)))
    if only is not None:
        wanted = {tokenizer.unk_id}.union(*tokenizer.ids(check_texts(only)))
    ids = np.array(sorted(wanted - {tokenizer.pad_id}), "int32")
    vectors = StaticVectors(
        [tokens[i] for i in ids], token_vectors(encoder, tokenizer, ids), tokenizer
    )
    if width is not None:
        vectors = vectors.reduced(width)
    if sif is None:
        return vectors
    weights = sif / (sif + _probabilities(tokenizer, texts)[ids])
    return StaticVectors(vectors.words, vectors.vectors * weights[:, None], tokenizer)


def token_vectors(encoder: BertEncoder, tokenizer: WordPieceTokenizer, ids: Any) -> np.ndarray:
    """The mean of what an encoder makes of `[CLS] token [SEP]`, for each of some token ids.

    Args:
        encoder: The encoder.
        tokenizer: Its tokenizer.
        ids: int `[n]`.

    Returns:
        float32 `[n, hidden_size]`.
    """
    ids = np.asarray(ids, "int32")
    inputs = keras.Input((3,), dtype="int32")
    means = keras.ops.mean(encoder(inputs, outputs=["sequence_output"])["sequence_output"], axis=1)
    model = keras.Model(inputs, keras.ops.cast(means, "float32"))
    frame = np.full((len(ids), 3), [tokenizer.cls_id, 0, tokenizer.sep_id], "int32")
    frame[:, 1] = ids
    # Filled up: one shape to compile.
    padded = np.resize(frame, (-(-len(ids) // _TOKENS_AT_ONCE) * _TOKENS_AT_ONCE, 3))
    filled = padded if len(ids) > _TOKENS_AT_ONCE else frame
    return model.predict(filled, batch_size=_TOKENS_AT_ONCE, verbose=0)[: len(ids)]


def _probabilities(tokenizer: WordPieceTokenizer, texts: Iterable[str] | None) -> np.ndarray:
    """The probability of each token, float `[vocabulary]`."""
    if texts is None:
        ranks = 1 / np.arange(2, tokenizer.vocab_size + 2)
        return ranks / ranks.sum()
    counts = np.zeros(tokenizer.vocab_size)
    for ids in tokenizer.ids(check_texts(texts)):
        np.add.at(counts, ids, 1)
    return counts / max(counts.sum(), 1)
