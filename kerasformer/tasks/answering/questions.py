"""Questions about contexts with their answers, from anything that holds them."""

import itertools
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from kerasformer.data import AnswerSplit
from kerasformer.errors import UserError
from kerasformer.tasks.examples import Examples, decoded, gather_tuples, refuse_endless
from kerasformer.tasks.texts.reading import read_weights
from kerasformer.text.texts import check_iterable, check_text

Located = tuple[str, int]
_PAIRS = "(question, context) pairs"


def hold_questions(x: Any) -> bool:
    """Whether x has questions with their contexts rather than tensors.

    Raises:
        UserError: It has texts that are no pairs.

    Example:

    >>> hold_questions([("Who?", "Ada codes.")]), hold_questions(np.zeros((2, 5), "int32"))
    (True, False)
    """
    if isinstance(x, AnswerSplit):
        return True
    if hasattr(x, "element_spec"):  # a tf.data.Dataset
        return _is_of_questions(x.element_spec)
    if isinstance(x, np.ndarray) or hasattr(x, "numpy"):
        is_array = isinstance(x, np.ndarray)
        is_text = x.dtype.kind in "USO" if is_array else x.dtype == "string"
        if is_text and len(x.shape) != 2:
            raise UserError(f"Expected {_PAIRS}, got an array of shape {tuple(x.shape)}.")
        return is_text
    if isinstance(x, str | bytes):
        raise UserError(f"Expected a list of {_PAIRS}, got one string.")
    if not isinstance(x, list | tuple):
        return False
    if any(isinstance(one, str | bytes) for one in x):
        raise UserError(f"Expected a list of {_PAIRS}, got a {type(x).__name__} of strings.")
    return not x or any(isinstance(part, str | bytes) for one in x for part in _parts(one))


def gather_questions(x: Any) -> Any:
    """`gather_tuples` of pairs."""
    return gather_tuples(x, _PAIRS, "answers")


def _parts(one: Any) -> Iterable:
    return one if isinstance(one, list | tuple) else ()


def read_questions(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    steps: int | None = None,
    batch_size: int = 32,
) -> Examples:
    """The pairs of what `hold_questions`, in `texts`, with their answers in `labels`.

    Args:
        x: (question, context) pairs; an `AnswerSplit`; or a `tf.data.Dataset` of `((question,
            context), (answers, starts))`, or of the dicts that `tensorflow_datasets` has for SQuAD.
        y: The answers to each question: a list of (text, start), the start in characters of the
            context; or one (text, start); or a dict of `text` and `answer_start`, as in SQuAD's
            files; or None or an empty list for a question without an answer.
        sample_weight: A weight for each question.
        steps: The most batches of a `tf.data.Dataset` to read; None for all.
        batch_size: How many questions are a batch of one that gives one at a time.

    Raises:
        UserError: A question or a context is empty or no string, an answer is not where it is said
            to be in its context, or there are not as many answers or weights as questions.
        ValueError: A data set comes with answers beside it, or all of an endless one is asked for.

    Example:

    >>> read_questions([("Who codes?", "Ada codes.")], [("Ada", 0)]).labels
    [[('Ada', 0)]]
    """
    size, is_set = None, isinstance(x, AnswerSplit) or hasattr(x, "element_spec")
    if is_set and y is not None:
        raise ValueError(f"A {type(x).__name__} holds its answers: leave y out.")
    if isinstance(x, AnswerSplit):
        x, y = list(zip(x.questions, x.contexts, strict=True)), x.answers
    elif is_set:
        size, x, y = _read_dataset(x, steps, batch_size)
    x = x.numpy() if hasattr(x, "numpy") else x
    pairs = [_pair(one, i) for i, one in enumerate(check_iterable(list(x), "x"))]
    answers = None
    if y is not None:
        y = list(check_iterable(list(y), "answers"))
        if len(y) != len(pairs):
            raise UserError(
                "Expected the answers to each question, got "
                f"{len(pairs):,} questions and answers to {len(y):,}."
            )
        answers = [
            _answers(given, context, f"answers[{i}]")
            for i, (given, (_, context)) in enumerate(zip(y, pairs, strict=True))
        ]
    weights = read_weights(sample_weight, len(pairs))
    return Examples(pairs, answers, weights, size)  # type: ignore[arg-type]


def check_answered(examples: Examples) -> None:
    """Raises a UserError if there is no question, or no answers to them."""
    if examples.labels is None:
        raise UserError(f"Got {len(examples.texts):,} questions and no answers: give them too.")
    if not examples.texts:
        raise UserError("There is no question to train or evaluate on; give at least one.")


def pair_up(questions: Any, contexts: Any) -> list[tuple[str, str]]:
    """Checked pairs of one question and its context, or of several.

    Args:
        questions: A question, or several.
        contexts: The context of each, or one for all.

    Raises:
        UserError: A question or a context is empty or no string, or there are not as many.

    Example:

    >>> pair_up(["Who?", "What?"], "Ada codes.")
    [('Who?', 'Ada codes.'), ('What?', 'Ada codes.')]
    """
    if isinstance(questions, str):
        questions, contexts = [questions], [contexts]
    questions = list(check_iterable(questions, "questions"))
    is_one = isinstance(contexts, str)
    contexts = [contexts] * len(questions) if is_one else list(check_iterable(contexts, "contexts"))
    if len(questions) != len(contexts):
        raise UserError(
            f"There are {len(questions)} questions and {len(contexts)} contexts: give one for each "
            "question, or one for all."
        )
    return [_pair(pair, i) for i, pair in enumerate(zip(questions, contexts, strict=True))]


def _pair(one: Any, index: int) -> tuple[str, str]:
    parts = list(one) if isinstance(one, list | tuple | np.ndarray) else []
    if len(parts) != 2:
        raise UserError(f"x[{index}] is {one!r:.80}, but must be a pair (question, context).")
    question, context = (
        check_text(decoded(text, name), name)
        for text, name in zip(parts, (f"questions[{index}]", f"contexts[{index}]"), strict=True)
    )
    for text, name in ((question, "questions"), (context, "contexts")):
        if not text.strip():
            raise UserError(f"{name}[{index}] is empty: leave the pair out, or complete it.")
    return question, context


def _answers(given: Any, context: str, name: str) -> list[Located]:
    """The answers to one question, each found in its context."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        if not {"text", "answer_start"} <= given.keys():
            raise UserError(f"{name} has no 'text' and 'answer_start': give (text, start) pairs.")
        given = list(zip(given["text"], given["answer_start"], strict=False))
    if not isinstance(given, list | tuple | np.ndarray):
        raise UserError(f"{name} is {given!r:.80}, but must be a list of (text, start) pairs.")
    if len(given) == 2 and isinstance(given[0], str | bytes):
        given = [given]
    return [_located(one, context, name) for one in given]


def _located(one: Any, context: str, name: str) -> Located:
    """One answer, if the context has it where it says.

    Example:

    >>> _located(("Ada", 0), "Ada codes.", "answers[0]")
    ('Ada', 0)
    """
    parts = tuple(one) if isinstance(one, list | tuple | np.ndarray) else ()
    is_pair = len(parts) == 2 and isinstance(parts[0], str | bytes)
    if not is_pair or not isinstance(parts[1], numbers.Integral) or isinstance(parts[1], bool):
        raise UserError(
            f"{name} has {one!r:.80}, but must be pairs (text, start), the start in characters of "
            "the context."
        )
    text, start = decoded(parts[0], name), int(parts[1])
    if not text.strip():
        raise UserError(f"{name} has an empty text: give [] for a question without an answer.")
    if start >= 0 and context.startswith(text, start):
        return text, start
    if (place := context.find(text)) < 0:
        raise UserError(
            f"{name} is {text[:80]!r}, which its context does not have: give a part of the context "
            "as it is written there."
        )
    found = context[start : start + len(text)] if start >= 0 else ""
    raise UserError(
        f"{name} is {text[:80]!r} at character {start}, but there the context has {found[:80]!r}: "
        f"it is at {place}."
    )


def _is_of_questions(spec: Any) -> bool:
    """Whether the elements of a `tf.data.Dataset` are questions with contexts."""
    if isinstance(spec, Mapping):
        return {"question", "context"} <= spec.keys()
    x = spec[0] if isinstance(spec, tuple) and spec and isinstance(spec[0], tuple) else spec
    return isinstance(x, tuple) and len(x) == 2 and all(_is_string(part) for part in x)


def _is_string(spec: Any) -> bool:
    return getattr(spec, "dtype", None) == "string"


def _read_dataset(dataset: Any, steps: int | None, batch_size: int) -> tuple:
    """How many questions a batch holds, None for one at a time; the pairs; and their answers."""
    refuse_endless(int(dataset.cardinality()) == -1, steps)
    spec, size = dataset.element_spec, None
    question = spec["question"] if isinstance(spec, Mapping) else spec
    while isinstance(question, tuple):
        question = question[0]
    most = steps and steps * batch_size
    if question.shape.rank:
        first = next(iter(dataset), None)
        size = first and len(_columns(first)[0])
        dataset, most = dataset.take(-1 if steps is None else steps).unbatch(), None
    pairs, answers = [], []
    for element in itertools.islice(dataset, most):
        question, context, texts, starts = _columns(element)
        pairs.append((question.numpy(), context.numpy()))
        if texts is not None:
            rows = (np.atleast_1d(column.numpy()).tolist() for column in (texts, starts))
            answers.append(list(zip(*rows, strict=True)))
    return size, pairs, answers or None


def _columns(element: Any) -> tuple:
    """The question, context, texts and starts of an element; None for the last two if absent."""
    if isinstance(element, Mapping):
        given = element.get("answers")
        starts = (None, None) if given is None else (given["text"], given["answer_start"])
        return (element["question"], element["context"], *starts)
    (question, context), given = element if isinstance(element[0], tuple) else (element, None)
    return (question, context, *(given or (None, None)))
