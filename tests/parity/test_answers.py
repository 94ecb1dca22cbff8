"""Answers against those of transformers, of the same logits."""

import types

import numpy as np
import pytest

from kerasformer.tasks.answering.answers import best_answers

from . import answers as oracle

pytestmark = [pytest.mark.oracle, pytest.mark.network]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return oracle.examples_functions(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return oracle.pipeline_functions(tmp_path_factory.mktemp("pipeline"))


def ours(windows, n_best, longest, no_answer=False):
    values = (windows[name] for name in ("starts", "ends", "offsets", "questions", "contexts"))
    return best_answers(*values, n_best, longest, no_answer)


@pytest.mark.parametrize("no_answer", [False, True])
@pytest.mark.parametrize(("n_best", "longest"), [(3, 30), (6, 2), (20, 30)])
def test_they_equal_those_of_transformers_examples(examples, tmp_path, no_answer, n_best, longest):
    rng = np.random.default_rng([n_best, no_answer])
    seen = dict.fromkeys(("answers", "without", "twice"), 0)
    for _ in range(40):
        windows = oracle.random_windows(rng)
        threshold = float(rng.normal(-6, 4))
        theirs = oracle.transformers_answers(
            examples, windows, tmp_path, n_best_size=n_best, max_answer_length=longest,
            version_2_with_negative=no_answer, null_score_diff_threshold=threshold,
        )  # fmt: skip
        ranked = ours(windows, n_best, longest, no_answer)
        for (chosen, best, odds), own, context in zip(
            theirs, ranked, windows["contexts"], strict=True
        ):
            assert all(context[a.start : a.end] == a.text for a in own.answers)
            assert [a.score for a in own.answers] == sorted(a.score for a in own.answers)[::-1]
            assert sum(a.score for a in own.answers) == pytest.approx(1)
            if any(each["text"] == "empty" for each in best):  # they had none; ours is of the text
                assert own.best.text
                continue
            assert own.choose(threshold).text == chosen
            assert own.margin == pytest.approx(odds, abs=1e-5)
            oracle.check_same(own.answers, [(e["text"], e["probability"]) for e in best])
            seen["answers"] += 1
            seen["without"] += not chosen
            seen["twice"] += len({each["text"] for each in best}) < len(best)
    assert seen["answers"] > 50
    assert seen["twice"] > 5
    assert bool(seen["without"]) == no_answer


@pytest.mark.parametrize("no_answer", [False, True])
def test_in_one_window_they_equal_those_of_the_pipeline(pipeline, no_answer):
    """With all tokens considered, as the pipeline does, whose scores are no softmax of the best."""
    self = types.SimpleNamespace(
        framework="np",
        tokenizer=types.SimpleNamespace(is_fast=True, padding_side="right"),
        get_indices=lambda *arguments: pipeline.get_indices(None, *arguments),
        get_answer=lambda *arguments: pipeline.get_answer(None, *arguments),
    )
    rng = np.random.default_rng(5)
    for _ in range(60):
        windows = oracle.random_windows(rng, questions=1, width=30)
        if len(windows["starts"]) > 1:
            continue
        offsets = windows["offsets"][0]
        outside = np.array([begin < 0 for begin, _ in offsets])
        outside[0] = False  # the pipeline keeps [CLS], whose logits stand for no answer
        context = types.SimpleNamespace(context_text=windows["contexts"][0])
        output = {
            "start": windows["starts"][0][None],
            "end": windows["ends"][0][None],
            "p_mask": outside[None].astype(int),
            "encoding": types.SimpleNamespace(offsets=offsets),
            "example": context,
        }
        settings = {"top_k": 5, "handle_impossible_answer": no_answer, "max_answer_len": 4}
        theirs = pipeline.postprocess(self, [output], align_to_words=False, **settings)
        theirs = [each for each in theirs if each["score"] > 0]  # not the spans that are too long
        own = ours(windows, 30, 4, no_answer)[0].answers[: len(theirs)]
        assert [(a.text, a.start, a.end) for a in own] == [
            (each["answer"], each["start"], each["end"]) for each in theirs
        ]
        ratio = [a.score / own[0].score for a in own]
        assert ratio == pytest.approx([e["score"] / theirs[0]["score"] for e in theirs], rel=1e-4)
