"""Fewer dimensions and fewer bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.embedder.results import quantize
from kerasformer.embedder.windows import merge_windows

LAWS = settings(deadline=None, max_examples=50)


def vectors(seed, count=3, size=20):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, size)) * rng.choice([1e-3, 1, 1e3])).astype("float32")


def cosines(one, other):
    one, other = one.astype("float64"), other.astype("float64")
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return (one * other).sum(-1) / lengths


@pytest.mark.parametrize(("dtype", "least"), [("float16", 0.999999), ("int8", 0.9995)])
@given(seed=st.integers(0, 10_000), normalize=st.booleans())
@LAWS
def test_fewer_bits_keep_the_direction(dtype, least, seed, normalize):
    given = vectors(seed, size=200)
    stored = quantize(given, None, normalize, dtype)
    assert stored.dtype == dtype
    assert cosines(given, stored).min() > least
    if dtype == "int8":
        assert (np.abs(stored.astype(int)).max(-1) == 127).all()


@given(seed=st.integers(0, 10_000), size=st.integers(1, 20))
@LAWS
def test_binary_is_the_signs(seed, size):
    given = vectors(seed, size=size)
    packed = quantize(given, None, False, "binary")
    assert packed.shape == (3, -(-size // 8))
    np.testing.assert_array_equal(np.unpackbits(packed, axis=-1)[:, :size], given > 0)


def test_the_cut_comes_before_the_scaling():
    given = vectors(1)
    cut = quantize(given, 5, True, "float32")
    np.testing.assert_allclose(np.linalg.norm(cut, axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(cosines(cut, given[:, :5]), 1, rtol=1e-6)
    assert given.shape == (3, 20)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
@pytest.mark.parametrize("normalize", [False, True])
def test_zeros_stay_zeros_and_nothing_stays_nothing(dtype, normalize):
    assert not quantize(np.zeros((2, 3, 8), "float32"), 8, normalize, dtype).any()
    assert len(quantize(np.zeros((0, 8), "float32"), 4, normalize, dtype)) == 0


@pytest.mark.parametrize("mode", ["mean", "mean_sqrt_len", "max"])
def test_windows_pooled_are_the_tokens_pooled(mode, rng):
    """Of three texts of 1, 3 and 2 windows, as of all tokens of a text at once."""
    pool = {
        "mean": lambda tokens: tokens.mean(0),
        "mean_sqrt_len": lambda tokens: tokens.sum(0) / len(tokens) ** 0.5,
        "max": lambda tokens: tokens.max(0),
    }[mode]
    windows = [rng.normal(size=(n, 4)) for n in (3, 5, 1, 2, 4, 4)]
    texts = np.array([0, 1, 1, 1, 2, 2])
    counts = np.array([len(tokens) for tokens in windows])
    merged = merge_windows(np.stack([pool(w) for w in windows]), counts, texts, (mode,))
    whole = [np.concatenate([w for w, t in zip(windows, texts, strict=True) if t == i])
             for i in range(3)]  # fmt: skip
    np.testing.assert_allclose(merged, [pool(tokens) for tokens in whole])


def test_first_tokens_of_windows_are_averaged():
    given = np.array([[1.0], [3.0], [7.0]])
    merged = merge_windows(given, np.array([9, 1, 1]), np.array([0, 0, 1]), ("cls",))
    assert merged.tolist() == [[2.0], [7.0]]
