"""Windows and labels of questions against transformers' tokenizers, as its run_qa.py uses them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.tasks.answering.answer_batches import AnswerBatches, ContextWindows
from kerasformer.text import WordPieceTokenizer

from . import answers as oracle

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

PIECES = [
    "a",
    "b",
    "ab",
    "##a",
    "##b",
    "é",
    "ß",
    "##ß",
    "愛",
    "İ",
    "한",
    "##국",
    "!",
    "naïve",
    "😀",
]
WORDS = [
    *PIECES,
    "naive",
    "e",
    "unknown",
    "e\u0301",
    "\u200b",
    "abab",
    "한국",
    "ﬁ",
    "x愛y",
    "\u00ad",
]
INVISIBLE = " \u00a0\u200b\u00ad\u0301"
MAX_LENGTH, OVERLAP = 20, 3


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def both(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES, "naive", "e", "i", "##i"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    theirs = transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=request.param)
    return WordPieceTokenizer.from_vocabulary(words, lowercase=request.param), theirs


def label(offsets, context, answer):
    """The positions of an answer by run_qa.py's `prepare_train_features`, of one window.

    Args:
        offsets: Of each token, (0, 0) for special tokens.
        context: Which of them are of the context.
        answer: (text, start), or None.

    The loop for the start ends at the context's end: there it goes on to the padding, which its
    comment calls the edge case of the last word.
    """
    if answer is None:
        return 0, 0
    start_char, end_char = answer[1], answer[1] + len(answer[0])
    first, last = context[0], context[-1]
    if not (offsets[first][0] <= start_char and offsets[last][1] >= end_char):
        return 0, 0
    while first <= context[-1] and offsets[first][0] <= start_char:
        first += 1
    while offsets[last][1] >= end_char:
        last -= 1
    return first - 1, last + 1


def test_the_windows_and_labels_are_those_of_run_qa(both):
    ours, theirs = both

    @settings(settings.get_profile("layers"), max_examples=60)
    @given(data=st.data())
    def check(data):
        question = " ".join(data.draw(st.lists(st.sampled_from("ab愛é!"), min_size=1, max_size=4)))
        words = data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40))
        context = data.draw(st.sampled_from([" ", "  ", "\u00a0"])).join(words)
        # It begins and ends in a token: else, by run_qa.py, it is in no window that ends there.
        inside = [i for i, character in enumerate(context) if character not in INVISIBLE]
        first, last = sorted(
            data.draw(st.lists(st.sampled_from(inside or [0]), min_size=2, max_size=2))
        )
        answer = (context[first : last + 1], first) if inside else None
        compare(ours, theirs, question, context, data.draw(st.sampled_from([answer, None])))

    check()


def compare(ours, theirs, question, context, answer):
    encoded = theirs(
        question,
        context,
        truncation="only_second",
        max_length=MAX_LENGTH,
        stride=OVERLAP,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    windows = ContextWindows.of(ours, [(question, context)], MAX_LENGTH, OVERLAP)
    data = AnswerBatches(
        windows, windows.positions([[answer] if answer else []]), max_length=MAX_LENGTH
    )
    data.batches = [np.arange(len(data.lengths))]
    inputs, targets = data[0]
    count = len(encoded["input_ids"])
    assert len(data.lengths) == count
    for window in range(count):
        length = int(data.lengths[window])
        ids = inputs["input_word_ids"][window, :length].tolist()
        types = inputs["input_type_ids"][window, :length].tolist()
        offsets = windows.window_offsets(window)
        is_context = np.flatnonzero([of == 1 for of in encoded.sequence_ids(window)])
        if window < count - 1 or length == len(encoded["input_ids"][window]):
            assert ids == encoded["input_ids"][window]
            assert types == encoded["token_type_ids"][window]
            theirs_of = np.array(encoded["offset_mapping"][window])
            np.testing.assert_array_equal(offsets[is_context], theirs_of[is_context])
            assert (np.flatnonzero(offsets[:, 0] >= 0) == is_context).all()
        else:  # theirs is shorter, and the end of ours
            tail = is_context[0] - 1 - len(encoded["input_ids"][window])
            assert ids[tail + 1 :] == encoded["input_ids"][window][is_context[0] :]
            assert length == MAX_LENGTH
        own = np.flatnonzero(offsets[:, 0] >= 0)
        expected = label(offsets, own, answer) if len(own) else (0, 0)
        for name, place in zip(("start_logits", "end_logits"), expected, strict=True):
            assert targets[name][window, :length].argmax() == place
            assert targets[name][window, :length].sum() == 1
            assert (targets[name][window, length:] == -1).all()


@pytest.mark.network
def test_the_labels_are_those_of_transformers_own_code(both, tmp_path):
    ours, theirs = both
    names = ["prepare_train_features"]
    examples = oracle.functions(oracle.EXAMPLES, oracle.EXAMPLES_FILE, names, tmp_path)
    rng, rows = np.random.default_rng(0), {"question": [], "context": [], "answers": []}
    visible = [word for word in WORDS if not set(word) & set(INVISIBLE)]
    for number in range(200):
        words = rng.choice(visible, rng.integers(1, 40))
        place = int(rng.integers(len(words)))
        answer = " ".join(words[place : place + int(rng.integers(1, 4))])
        start = [len(" ".join([*words[:place], ""]))] if number % 5 else []
        rows["question"].append(" ".join(rng.choice(list("ab愛!"), rng.integers(1, 5))))
        rows["context"].append(" ".join(words))
        rows["answers"].append({"text": [answer] * len(start), "answer_start": start})
    columns = "question", "context", "answers"
    features = examples.prepare_train_features(
        rows, theirs, True, *columns, MAX_LENGTH, OVERLAP, "longest"
    )
    expected = np.stack([features["start_positions"], features["end_positions"]], axis=1)
    pairs = list(zip(rows["question"], rows["context"], strict=True))
    windows = ContextWindows.of(ours, pairs, MAX_LENGTH, OVERLAP)
    answers = [
        list(zip(each["text"], each["answer_start"], strict=True)) for each in rows["answers"]
    ]
    found = windows.positions(answers)
    assert found.shape == expected.shape
    # The last one of several has another place in ours.
    counts = np.bincount(windows.questions)[windows.questions]
    is_last = np.append(np.diff(windows.questions) > 0, True) & (counts > 1)
    # Where the last token begins the answer, theirs goes on to the end of the row.
    is_over = expected[:, 0] > expected[:, 1]
    kept = ~is_last & ~is_over
    np.testing.assert_array_equal(found[kept], expected[kept])
    assert (found[kept, 0] > 0).sum() > 100
    assert (found[is_over, 0] <= found[is_over, 1]).all()
