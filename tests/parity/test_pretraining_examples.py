"""The examples of pretraining beside those of BERT's own program, of tf-models-official."""

import random

import numpy as np
import pytest

from kerasformer.data.raw import TokenCorpus
from kerasformer.tasks.pretraining.corpus_batches import SegmentBatches
from kerasformer.text import WordPieceTokenizer

pytestmark = pytest.mark.oracle

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(500))]
LENGTH = 48


@pytest.fixture(scope="module")
def examples():
    """Of theirs and ours: the tokens of each, those of its first segment, how many are hidden, and
    whether it is a random pair; without short ones, whose number hangs on a few documents.
    """
    theirs = pytest.importorskip("official.nlp.data.create_pretraining_data")
    draw = random.Random(0)
    documents = [
        [
            [f"w{draw.randrange(500)}" for _ in range(draw.randint(2, 6))]
            for _ in range(draw.randint(20, 60))
        ]
        for _ in range(400)
    ]
    made = [
        instance
        for index in range(len(documents))
        for instance in theirs.create_instances_from_document(
            documents, index, LENGTH, 0.0, 0.15, 20, WORDS[5:], draw
        )
    ]
    their_rows = [
        (len(one.tokens), one.segment_ids.index(1), len(one.masked_lm_labels), one.is_random_next)
        for one in made
    ]
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    corpus = TokenCorpus.of([[" ".join(words) for words in one] for one in documents], tokenizer)
    our_rows = []
    for x, y, weights in SegmentBatches(corpus, tokenizer, 64, LENGTH, seed=0, short_share=0.0):
        our_rows += zip(
            x["input_mask"].sum(axis=1).tolist(),
            x["input_type_ids"].argmax(axis=1).tolist(),
            weights["mlm_logits"].sum(axis=1).tolist(),
            y["next_sentence_logits"].tolist(),
            strict=True,
        )
    return np.array(their_rows, float), np.array(our_rows, float)


@pytest.mark.parametrize("column", [0, 1, 2, 3], ids=["tokens", "first", "hidden", "random"])
def test_the_examples_are_alike(examples, column):
    theirs, ours = (rows[:, column] for rows in examples)
    spread = np.hypot(theirs.std() / len(theirs) ** 0.5, ours.std() / len(ours) ** 0.5)
    # They round the share that is hidden, of a number of tokens that has the special ones in it.
    room = 0.15 * 3 if column == 2 else 0
    assert abs(theirs.mean() - ours.mean() - room) < 5 * spread
    assert len(ours) == pytest.approx(len(theirs), rel=0.03)


def test_as_many_are_full_and_as_many_short(examples):
    from scipy.stats import ks_2samp

    theirs, ours = (rows[:, 0] for rows in examples)
    assert ks_2samp(theirs, ours).statistic < 1.95 * np.sqrt(2 / min(len(theirs), len(ours)))
    assert (ours == LENGTH).mean() > 0.7
