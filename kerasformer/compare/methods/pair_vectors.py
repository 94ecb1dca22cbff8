"""Vectors of pairs of texts, from the words of both."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer


class PairVectorizer(TransformerMixin, BaseEstimator):
    """TF-IDF of pairs: `[u, v, |u - v|, u * v]`, and the cosine of the two.

    Of the two texts alone a linear model could not see what they share. Their difference and
    product are how InferSent (Conneau et al., https://arxiv.org/abs/1705.02364) and the baselines
    of GLUE join two vectors; the cosine, their sum of products, counts the overlap of words that
    training has not seen too.

    Args:
        token_pattern: As of scikit-learn's `TfidfVectorizer`.

    Example:

    >>> pairs = [("It rains", "It rains"), ("It rains", "She codes")]
    >>> PairVectorizer().fit_transform(pairs).toarray()[:, -1].round(3).tolist()
    [1.0, 0.0]
    """

    def __init__(self, token_pattern: str = r"(?u)\b\w+\b|[^\w\s]"):
        self.token_pattern = token_pattern

    def fit(self, pairs: Any, labels: Any = None) -> "PairVectorizer":
        """Learns the words of both texts of pairs, and how rare they are."""
        texts = [text for pair in pairs for text in pair]
        self.words_ = TfidfVectorizer(token_pattern=self.token_pattern).fit(texts)
        return self

    def transform(self, pairs: Any) -> sparse.csr_matrix:
        """The vectors, float `[n, 4 * words + 1]`."""
        u, v = (self.words_.transform([pair[k] for pair in pairs]) for k in range(2))
        product = u.multiply(v)
        cosine = sparse.csr_matrix(np.asarray(product.sum(axis=1)).reshape(-1, 1))
        return sparse.hstack([u, v, abs(u - v), product, cosine], format="csr")
