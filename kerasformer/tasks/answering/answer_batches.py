"""Questions with their contexts as the windows of tokens that a model of answers computes with."""

import dataclasses
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.tasks.answering.questions import Located
from kerasformer.tasks.answering.spans import span_targets
from kerasformer.text import Tokenizer, pack
from kerasformer.text.windows import Windowing, Windows

# The most tokens of a question, as in run_squad.py of https://github.com/google-research/bert.
MAX_QUESTION = 64
_SPECIAL = 3  # tokens of a window: [CLS], and [SEP] twice


@dataclasses.dataclass(frozen=True)
class ContextWindows:
    """The windows of questions and their contexts: `[CLS] question [SEP] part of context [SEP]`.

    They are those of transformers' tokenizers with `stride=overlap`, `truncation="only_second"`
    and `return_overflowing_tokens=True`, but for two things: the last window is moved back to be as
    long as the others, and questions are truncated to `MAX_QUESTION` tokens.

    Attributes:
        windows: The windows of all questions.
        offsets: Of each question, where each token of its whole context begins and ends in
            characters, int32 `[tokens, 2]`.

    Example:

    >>> from kerasformer.text import WordPieceTokenizer
    >>> tokenizer = WordPieceTokenizer.from_vocabulary("[PAD] [UNK] [CLS] [SEP] a b".split())
    >>> windows = ContextWindows.of(tokenizer, [("b", "a b a")], max_length=6, overlap=1)
    >>> windows.windows.tokenized.ids, windows.window_offsets(1).tolist()[3:]
    ([[2, 5, 3, 4, 5, 3], [2, 5, 3, 5, 4, 3]], [[2, 3], [4, 5], [-1, -1]])
    """

    windows: Windows
    offsets: list[np.ndarray]

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        pairs: Sequence[tuple[str, str]],
        max_length: int,
        overlap: int,
    ) -> "ContextWindows":
        """Tokenizes checked pairs, a context of several questions once."""
        contexts = list(dict.fromkeys(context for _, context in pairs))
        known: dict[str, tuple[list[int], np.ndarray]] = {}
        for context, encoding in zip(contexts, tokenizer.encodings(contexts), strict=True):
            offsets = np.array(encoding.offsets, "int32").reshape(-1, 2)
            known[context] = encoding.ids, offsets
        questions = tokenizer.ids([question for question, _ in pairs])
        rows = [
            (question[:MAX_QUESTION], known[context][0])
            for question, (_, context) in zip(questions, pairs, strict=True)
        ]
        windowing = Windowing(tokenizer, max_length, True, overlap, slides="second")
        return cls(windowing.windows(rows), [known[context][1] for _, context in pairs])

    @property
    def questions(self) -> np.ndarray:
        """The index of each window's question, int `[windows]`."""
        return self.windows.texts

    @property
    def lengths(self) -> np.ndarray:
        """The tokens of each window, int `[windows]`."""
        return self.windows.tokenized.lengths

    def _context(self, window: int) -> tuple[int, int, int]:
        """Where a window's part of the context is: its column, its first token, how many it has."""
        column = int(self.windows.middle[window]) + 1
        parts = self.windows.parts[window]
        first = parts[1].start - column if len(parts) > 1 else 0
        return column, first, int(self.lengths[window]) - 1 - column

    def window_offsets(self, window: int) -> np.ndarray:
        """Where each token of a window begins and ends in the context, int32 `[tokens, 2]`.

        They are (-1, -1) for what is not of the context.
        """
        column, first, count = self._context(window)
        offsets = np.full((self.lengths[window], 2), -1, "int32")
        own = self.offsets[self.questions[window]]
        offsets[column : column + count] = own[first : first + count]
        return offsets

    def check_trained(self, positions: np.ndarray, answers: Sequence[Sequence[Located]]) -> None:
        """Warns of answers that no window has all of, which are then trained on as if none.

        Raises:
            UserError: The tokenizer makes no token of an answer.
        """
        has_answer = np.zeros(len(answers), bool)
        has_answer[self.questions[positions.any(axis=1)]] = True
        cut = [i for i, given in enumerate(answers) if given and not has_answer[i]]
        for question in cut:
            first, last = _tokens_of(self.offsets[question], *answers[question][0])
            if first > last:
                raise UserError(
                    f"The answer to questions[{question}] is {answers[question][0][0]!r:.80}, of "
                    "which the tokenizer makes no token: leave the question out, or mark what "
                    "stands beside it."
                )
        if cut:
            warnings.warn(
                f"No window has all of the answer to questions[{cut[0]}] ({len(cut):,} of "
                f"{len(answers):,} questions), so it is trained on as a question without an "
                "answer: leave it out, shorten the answer, or give a larger max_length or overlap.",
                stacklevel=2,
            )

    def positions(self, answers: Sequence[Sequence[Located]]) -> np.ndarray:
        """The first and the last token of the first answer to each window's question.

        They are the tokens that have characters of the answer. Where the window does not have all
        of them, or there is no answer, both are 0, the place of `[CLS]`.

        Args:
            answers: The answers to each question.

        Returns:
            int32 `[windows, 2]`.
        """
        spans = [
            _tokens_of(offsets, *given[0]) if given else None
            for offsets, given in zip(self.offsets, answers, strict=True)
        ]
        positions = np.zeros((len(self.questions), 2), "int32")
        for window, question in enumerate(self.questions.tolist()):
            column, first, count = self._context(window)
            span = spans[question]
            if span and first <= span[0] <= span[1] < first + count:
                positions[window] = np.array(span) - first + column
        return positions


def _tokens_of(offsets: np.ndarray, text: str, start: int) -> tuple[int, int]:
    """The first and the last token with characters of a text, whose offsets never fall.

    >>> _tokens_of(np.array([[0, 2], [3, 5], [5, 7]]), "codes", start=3)
    (1, 2)
    """
    first = np.searchsorted(offsets[:, 1], start, side="right")
    last = np.searchsorted(offsets[:, 0], start + len(text), side="left") - 1
    return int(first), int(last)


class AnswerBatches(Batches):
    """Batches of windows, whose labels are the first and the last token of the answer.

    Args:
        windows: The windows.
        positions: The first and the last token of each, int `[windows, 2]`; or None.
        sample_weight: The weight of each question, float `[questions]`; or None.
        *args, **kwargs: As of `Batches`, from `batch_size` on.
        loss: What the labels are for, as of `span_targets`.

    Attributes:
        features: float `[tokens, size]`, the vectors of the tokens of all windows one after
            another, which are then the inputs, as `features`.
    """

    width_varies = True

    def __init__(
        self,
        windows: ContextWindows,
        positions: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        *args: Any,
        loss: Any = None,
        **kwargs: Any,
    ):
        self.windows, self.loss = windows, loss
        self.features: np.ndarray | None = None
        self._starts = np.cumsum(windows.lengths) - windows.lengths
        weights = None if sample_weight is None else sample_weight[windows.questions]
        super().__init__(windows.lengths, positions, weights, *args, **kwargs)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The dict that `kerasformer.text.pack` makes; or that of `features`."""
        width = self.width(rows)
        if self.features is None:
            return pack(self.windows.windows.tokenized, rows, pad_to=width)
        vectors = np.zeros((len(rows), width, self.features.shape[1]), "float32")
        for k, row in enumerate(rows.tolist()):
            vectors[k, : self.lengths[row]] = self.features[self.tokens(row)]
        return {"features": vectors}

    def tokens(self, row: int) -> slice:
        """Where the tokens of a window are among those of all windows."""
        return slice(self._starts[row], self._starts[row] + self.lengths[row])

    def columns(self, rows: np.ndarray) -> tuple:
        """The inputs of windows, with their labels and weights if there are any."""
        if self.labels is None:
            return (self.inputs(rows),)
        labels = self.labels[rows]
        targets = span_targets(labels, self.lengths[rows], self.width(rows), self.loss)
        weights = () if self.sample_weight is None else (self.sample_weight[rows],)
        return (self.inputs(rows), targets, *weights)


def choose_overlap(given: int | None, max_length: int) -> int:
    """The overlap given, or 128 tokens, or a third of a short window.

    Args:
        given: A whole number that a person gave, or None.
        max_length: The tokens of a window.

    Raises:
        UserError: Windows that overlap so far would not go on, beside the longest question.

    Example:

    >>> choose_overlap(None, 384), choose_overlap(None, 96)
    (128, 32)
    """
    room = max_length - _SPECIAL
    room -= min(MAX_QUESTION, room // 2)
    if given is None:
        return max(0, min(128, max_length // 3, room - 1))
    if not isinstance(given, numbers.Integral) or not 0 <= given < room:
        raise UserError(
            f"overlap is {given}, and a window of {max_length} tokens has room for {room} of a "
            f"context beside a long question: give 0 to {room - 1}."
        )
    return int(given)
