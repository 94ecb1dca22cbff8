import json

import pytest

from kerasformer.data import AnsweringDataset, AnswerSplit


def make(titles, contexts=None, answered=None):
    contexts = contexts or [f"context {i}" for i in range(len(titles))]
    n = len(contexts)
    answers = [[("context", 0)] if not answered or answered[i] else [] for i in range(n)]
    split = AnswerSplit(
        [f"question {i}?" for i in range(n)], contexts, answers, list(map(str, range(n))), titles
    )
    return AnsweringDataset("made", {"train": split})


def test_parts_have_an_entry_for_each_question():
    with pytest.raises(ValueError, match="needs ids for each question; got 0 for 1"):
        AnswerSplit(["q"], ["c"], [[]], [])


def test_no_article_is_on_both_sides():
    dataset = make([f"article {i // 10}" for i in range(400)]).with_test(0.25)
    train, test = set(dataset.train.titles), set(dataset.test.titles)
    assert not train & test
    assert len(test) == pytest.approx(10, abs=6)
    assert sorted(map(int, dataset.train.ids + dataset.test.ids)) == list(range(400))


def test_without_two_titles_no_context_is_on_both_sides():
    contexts = [f"Context  {i // 4}" if i % 2 else f"context {i // 4}" for i in range(200)]
    for titles in (None, ["", " "] * 100, ["one"] * 200):
        dataset = make(titles, contexts).with_test()
        sides = [{c.lower().split()[1] for c in s.contexts} for s in dataset.splits.values()]
        assert not sides[0] & sides[1]
        assert len(sides[0] | sides[1]) == 50


def test_articles_that_share_a_context_are_one_in_any_order():
    titles, contexts = ["a", "b", "b", "c", "d"], ["1", "1", "2", "2", "3"]
    split = AnswerSplit(["?"] * 5, contexts, [[]] * 5, list("abcde"), titles)
    first, *same, other = split.groups
    assert set(same) == {first} != {other}
    assert split.take([4, 3, 2, 1, 0]).groups == split.groups[::-1]
    backwards = AnswerSplit(["?"] * 5, contexts[::-1], [[]] * 5, list("abcde"), titles[::-1])
    assert backwards.groups == split.groups[::-1]


def test_a_limit_takes_questions_of_many_articles_and_keeps_the_unanswerable():
    answered = [i % 4 > 0 for i in range(400)]
    dataset = make([f"{i // 10}" for i in range(400)], answered=answered).limited(40)
    assert len(dataset.train) == 40
    assert dataset.describe()["splits"]["train"]["unanswerable"] == 10
    assert len(set(dataset.train.titles)) > 15


def test_the_fingerprint_sees_every_part():
    parts = [["q"], ["c c"], [[("c", 0)]], ["i"], ["t"]]
    others = [["Q"], ["c  c"], [[("c", 2)]], ["j"], ["u"]]
    prints = {AnsweringDataset("x", {"train": AnswerSplit(*parts)}).fingerprint()}
    for i, other in enumerate(others):
        changed = AnswerSplit(*parts[:i], other, *parts[i + 1 :])
        prints.add(AnsweringDataset("x", {"train": changed}).fingerprint())
    prints.add(AnsweringDataset("x", {"test": AnswerSplit(*parts)}).fingerprint())
    assert len(prints) == 7


def test_describe_is_ready_for_the_record():
    dataset = make(["a", "a", "b"], contexts=["1", "1", "2"], answered=[True, False, True])
    described = json.loads(json.dumps(dataset.describe()))
    assert described["has_unanswerable"] is True
    assert described["splits"]["train"] == {
        "examples": 3,
        "contexts": 2,
        "articles": 2,
        "unanswerable": 1,
    }
