"""Which tokens of a window are pooled."""

from types import SimpleNamespace

import numpy as np

from kerasformer.embedder.windows import pooling_mask
from kerasformer.text.windows import Windowing

CLS, SEP = 1001, 1002


def test_tokens_that_are_pooled():
    ids = SimpleNamespace(cls_id=CLS, sep_id=SEP, pad_id=0)
    windowing = Windowing(ids, 8, window=True, overlap=1)
    rows = windowing.windows([([1, 2, 3, 4, 5], [501, 502]), ([1], [])])
    assert rows.tokenized.ids == [
        [CLS, 1, 2, 3, SEP, 501, 502, SEP],
        [CLS, 3, 4, 5, SEP, 501, 502, SEP],
        [CLS, 1, SEP, SEP],
    ]

    def mask(special_tokens, first):
        return pooling_mask(rows, np.arange(3), 8, special_tokens, first).astype(int).tolist()

    own = [[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0]]
    assert mask(True, 0) == own
    plain = [[0, 1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 1, 1, 0], [0, 1, 0, 0, 0, 0, 0, 0]]
    assert mask(False, 0) == plain
    plain[0][1] = 0
    assert mask(False, 2) == [*plain[:2], [1, 1, 1, 1, 0, 0, 0, 0]]  # nothing left: all of it
