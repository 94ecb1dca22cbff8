"""Vectors in the plane: scikit-learn's components, the same each time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from kerasformer.analysis import projection
from kerasformer.analysis.projection import project
from kerasformer.errors import UserError


def blobs(rng, size=12, each=20, groups=3):
    centres = 6 * rng.normal(size=(groups, size))
    return np.concatenate([centre + rng.normal(size=(each, size)) for centre in centres])


@pytest.mark.parametrize("wide", [1024, 4], ids=["eigh", "arpack"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_principal_components_are_scikit_learns(rng, monkeypatch, wide, dtype):
    monkeypatch.setattr(projection, "_WIDE", wide)
    vectors = blobs(rng).astype(dtype)
    expected = PCA(2, svd_solver="full").fit(vectors.astype("float64"))
    found = project(vectors)
    np.testing.assert_allclose(found.points, expected.transform(vectors), atol=1e-9)
    np.testing.assert_allclose(found.variance, expected.explained_variance_ratio_, atol=1e-12)
    share = 100 * found.variance[0]
    assert found.axes[0] == f"first principal component ({share:.0f} % of variance)"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_neither_the_order_nor_a_shift_of_the_vectors_turns_the_picture(seed):
    rng = np.random.default_rng(seed)
    vectors = blobs(rng) * np.linspace(3, 1, 12)
    order = rng.permutation(len(vectors))
    found, again = project(vectors), project(vectors[order] + 5)
    np.testing.assert_allclose(again.points, found.points[order], atol=1e-6)


def test_a_small_share_of_the_variance_is_not_rounded_to_nothing(rng):
    found = project(rng.normal(size=(400, 300)))
    assert "0 %" not in found.axes[0]
    assert "1." in found.axes[0]


def test_tsne_keeps_neighbours_together_the_same_way_each_time(rng):
    vectors = blobs(rng)
    found = project(vectors, "tsne")
    np.testing.assert_array_equal(project(vectors, "tsne").points, found.points)
    near = NearestNeighbors(n_neighbors=5).fit(found.points).kneighbors(return_distance=False)
    group = np.arange(60) // 20
    assert (group[near] == group[:, None]).mean() > 0.95
    assert found.axes == ("first t-SNE dimension", "second t-SNE dimension")
    assert found.variance is None


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_three_vectors_are_enough(method):
    points = project(np.eye(3, 5, dtype="float32"), method).points
    assert points.shape == (3, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("size", [1, 2])
def test_vectors_on_a_line(size):
    vectors = np.outer(np.arange(4.0), np.ones(size + 1))
    found = project(vectors)
    np.testing.assert_allclose(found.points[:, 1], 0, atol=1e-9)
    assert found.axes[1] == "second principal component (0 % of variance)"


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((0, 4)), "takes 3 texts or more: got 0"),
        (np.ones((1, 4)), "takes 3 texts or more: got 1"),
        (np.ones((2, 4)), "takes 3 texts or more: got 2"),
        (np.ones((5, 4)), "All 5 vectors are the same"),
        (np.full((5, 4), 7.0) + 1e-6 * np.eye(5, 4), "All 5 vectors are the same"),
        (np.ones((5, 1)), r"have the shape \[5, 1\]"),
        (np.ones(5), r"have the shape \[5\]"),
        ([[0, 1], [1, 0], [np.nan, 1]], "1 of 3 vectors hold a number that is not finite"),
        ([[0, 1], [1, np.inf], [np.nan, 1]], "the first is vector 1"),
    ],
    ids=["none", "one", "two", "same", "nearly", "narrow", "flat", "nan", "inf"],
)
def test_vectors_that_cannot_be_projected(vectors, message):
    with pytest.raises(UserError, match=message):
        project(vectors)


def test_an_unknown_method():
    with pytest.raises(UserError, match="'umap': give one of pca, tsne"):
        project(np.eye(4), "umap")
