"""Vectors as points in the plane: principal components, or t-SNE."""

from dataclasses import dataclass

import numpy as np

from kerasformer.errors import UserError

METHODS = ("pca", "tsne")
_WIDE = 1024  # from this size on, ARPACK is faster than the whole covariance matrix
_SAME = 1e-5  # a text's numbers differ by less from one place in a batch to another
_PERPLEXITY = 30.0  # scikit-learn's; van der Maaten & Hinton recommend 5 to 50


@dataclass(frozen=True, eq=False)
class Projection:
    """Vectors as points in the plane.

    Attributes:
        points: float64 `[n, 2]`.
        axes: What the two axes are, such as "first principal component (31 % of variance)".
        method: "pca" or "tsne".
        variance: The shares of the variance along the two axes; None for t-SNE, whose axes have
            no such meaning.
    """

    points: np.ndarray
    axes: tuple[str, str]
    method: str
    variance: tuple[float, float] | None = None


def project(vectors: np.ndarray, method: str = "pca", *, seed: int = 0) -> Projection:
    """Projects vectors into the plane, the same way each time.

    "pca": the two directions in which the vectors vary most (Pearson, 1901), a rotation, so what
    is far apart in the plane is far apart in space; the sign of each is such that its largest
    coefficient is positive. "tsne": van der Maaten & Hinton (2008),
    https://jmlr.org/papers/v9/vandermaaten08a.html, over cosine distances: near neighbours stay
    together, while the distances between groups mean little.

    Args:
        vectors: float `[n, size]`; at least 3 vectors, not all of them the same.
        method: "pca" or "tsne".
        seed: For t-SNE.

    Raises:
        UserError: An unknown method, too few vectors, vectors that are all the same, or one that
            is not finite.

    Example:

    >>> vectors = np.array([[0.0, 0, 1], [4, 0, 1], [0, 2, 1], [4, 2, 1]])
    >>> found = project(vectors)
    >>> found.axes[0]
    'first principal component (80 % of variance)'
    >>> found.points.round(3).tolist()
    [[-2.0, -1.0], [2.0, -1.0], [-2.0, 1.0], [2.0, 1.0]]
    """
    if method not in METHODS:
        raise UserError(f"The method is {method!r}: give one of {', '.join(METHODS)}.")
    vectors = np.asarray(vectors, "float64")
    _check(vectors)
    return _pca(vectors) if method == "pca" else _tsne(vectors, seed)


def _check(vectors):
    if vectors.ndim != 2 or vectors.shape[1] < 2:
        raise UserError(
            f"The vectors have the shape {list(vectors.shape)}: give [n, size] with a size of at "
            "least 2."
        )
    if len(vectors) < 3:
        raise UserError(f"A plot takes 3 texts or more: got {len(vectors)}.")
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise UserError(
            f"{len(wrong):,} of {len(vectors):,} vectors hold a number that is not finite, the "
            f"first is vector {wrong[0]}: embed the texts again."
        )
    if np.abs(vectors - vectors[0]).max() <= _SAME * np.abs(vectors).max():
        raise UserError(
            f"All {len(vectors):,} vectors are the same, so there is nothing to see: give texts "
            "that differ."
        )


def _pca(vectors):
    from sklearn.decomposition import PCA

    # Not "auto", which for many wide vectors is a random approximation.
    solver = "covariance_eigh" if vectors.shape[1] <= _WIDE else "arpack"
    pca = PCA(n_components=2, svd_solver=solver, random_state=0)
    points = pca.fit_transform(vectors)
    shares = tuple(map(float, pca.explained_variance_ratio_))
    axes = tuple(
        f"{nth} principal component ({_percent(share)} of variance)"
        for nth, share in zip(("first", "second"), shares, strict=True)
    )
    return Projection(points, axes, "pca", shares)


def _percent(share):
    value = f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.1f}".removesuffix(".0")
    return f"{value} %"


def _tsne(vectors, seed):
    from sklearn.manifold import TSNE

    tsne = TSNE(
        perplexity=min(_PERPLEXITY, (len(vectors) - 1) / 3),
        metric="cosine",
        init="pca",
        random_state=seed,
    )
    points = tsne.fit_transform(vectors.astype("float32")).astype("float64")
    return Projection(points, ("first t-SNE dimension", "second t-SNE dimension"), "tsne")
