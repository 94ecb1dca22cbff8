"""The answer to a question as a span of a text, on a pretrained encoder."""

import itertools
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from kerasformer.checkpoints import Checkpoint
from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.models.length import choose_max_length
from kerasformer.tasks.answering.answer_batches import AnswerBatches, ContextWindows, choose_overlap
from kerasformer.tasks.answering.answers import tune_no_answer_threshold
from kerasformer.tasks.answering.questions import (
    check_answered,
    gather_questions,
    hold_questions,
    pair_up,
    read_questions,
)
from kerasformer.tasks.answering.span_outputs import (
    rank_answers,
    same_places,
    span_logits,
    token_vectors,
    vectors_fit,
)
from kerasformer.tasks.answering.spans import SPAN, SpanCrossentropy, span_loss, span_targets
from kerasformer.tasks.examples import Examples, check_counts
from kerasformer.tasks.frozen_vectors import FrozenVectors
from kerasformer.tasks.heads import new_head
from kerasformer.tasks.settings import read_settings, settings_of
from kerasformer.tasks.texts.problems import warn_untrained
from kerasformer.training import Recipe, answer_metrics

_SETTINGS = ("max_length", "overlap", "threshold", "freeze_encoder", "trained_blocks")
_MAX_LENGTH = 384
_N_BEST = 20  # as in transformers' run_qa.py


@keras.saving.register_keras_serializable(package="kerasformer")
class QuestionAnswerer(FrozenVectors):
    """Where in a text the answer to a question begins and ends.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 4.2: the question is the first segment
    and the text the second; one dense layer scores each token as the answer's first and as its
    last. It is transformers' `BertForQuestionAnswering`. A long text is read in overlapping
    windows. Where the training data has questions without an answer, as SQuAD 2.0, the answer may
    be that there is none (section 4.3).

    `fit` trains for 2 epochs in batches of 16 at a learning rate of 3e-5, as `run_squad.py` of
    https://github.com/google-research/bert but for its batches (12), or 1e-4 where the encoder is
    less than 512 wide (Turc et al., https://arxiv.org/abs/1908.08962); with a frozen encoder for 10
    epochs in batches of 128 at 3e-3. Of several answers to a question it learns the first one.
    `from_pretrained(source, new_head=True)` puts a new head on the encoder, whatever the source
    has, and reads none of the settings of the old one.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`, or its `to_json()`. Without
            one `fit` learns a vocabulary from its training questions and contexts.
        max_length: The most tokens of a window; by default 384, or as many as the tokenizer and the
            encoder take. A question is truncated to 64 tokens, or to half a window.
        overlap: The tokens of the context that consecutive windows have in common; by default 128,
            or a third of a shorter window.
        threshold: There is no answer where the logits speak for that by more than this over the
            best answer; None where every question has one. `fit` on questions without an answer
            makes it 0, and tunes it on validation data for the best F1.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict of int `[batch, seq]` tensors, or the ids alone; or
            `{"features": vectors}`, those of a frozen encoder `[batch, seq, hidden_size]`.
        training: Whether dropout is on.

    Returns:
        A dict of `start_logits` and `end_logits`, each float32 `[batch, seq]`. Those of padding
        and of the question are there too, as in transformers: leave them out when you choose.

    Raises:
        ValueError: `encoder` is of another kind.
        UserError: `max_length` is more than the encoder takes, or `overlap` than a window does.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = QuestionAnswerer(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> pairs = [("Who was born in Rome?", "Ada was born in Rome."), ("Where?", "Bo is in Oslo.")]
    >>> history = model.fit(pairs, [("Ada", 0), ("Oslo", 9)], epochs=1, verbose=0)
    >>> answer = model.answer("Who was born in Rome?", "Ada was born in Rome.")
    >>> answer.text == "Ada was born in Rome."[answer.start : answer.end]
    True
    """

    HEADS = ("span",)
    RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=3e-5)
    SCORES_VALIDATION = True
    HIDDEN = ("total", "HasAns_total", "NoAns_total")
    FIT_METRICS = MappingProxyType({"loss_weights": dict.fromkeys(SPAN, 0.5)})

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Any = None,
        max_length: int | None = None,
        overlap: int | None = None,
        threshold: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder=encoder, tokenizer=tokenizer, **kwargs)
        most = choose_max_length(max_length, self.tokenizer, encoder.config.max_length)
        self.max_length = min(most, _MAX_LENGTH) if max_length is None else most
        self.overlap = choose_overlap(overlap, self.max_length)
        self.threshold = None if threshold is None else float(threshold)
        self.span = new_head(encoder, len(SPAN), "span")
        self.build()

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Its head; or none, for a new one, where that is asked for or the source has none."""
        if kwargs.pop("new_head", False) or "span" not in checkpoint.heads:
            return {}, {}
        own = read_settings(checkpoint, _SETTINGS)
        is_other = own.get("max_length") != checkpoint.settings.get("max_length")
        if is_other or kwargs.get("max_length") is not None:  # the overlap was for that one
            own = {name: own[name] for name in own if name not in ("max_length", "overlap")}
        return {"span": len(SPAN)}, own

    def _description(self) -> dict[str, Any]:
        return {"settings": settings_of(self, _SETTINGS)}

    @property
    def head(self) -> keras.layers.Dense:
        """The head, `span`."""
        return self.span

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        has_features = isinstance(inputs, dict) and "features" in inputs
        logits = self.span(inputs["features"] if has_features else self._vectors(inputs, training))
        return {name: logits[..., i] for i, name in enumerate(SPAN)}

    def _vectors(self, inputs: Any, training: bool | None = None) -> Any:
        return self._encode(inputs, ["sequence_output"], training)["sequence_output"]

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shapes and dtypes of what a call returns."""
        has_features = isinstance(inputs, dict) and "features" in inputs
        shape = inputs["features"].shape[:2] if has_features else self._lead(inputs)
        return {name: keras.KerasTensor(shape, "float32") for name in SPAN}

    _holds = staticmethod(hold_questions)
    _gathered = staticmethod(gather_questions)
    _read = staticmethod(read_questions)

    def _prepare(self, examples: Examples) -> None:
        check_answered(examples)
        super()._prepare(examples)
        if self.threshold is None and not all(examples.labels):
            self.threshold = 0.0

    def _fit_examples(
        self, train: Examples, held: Examples | None, *args: Any, **told: Any
    ) -> keras.callbacks.History:
        history = super()._fit_examples(train, held, *args, **told)
        if self.threshold is not None and held and not all(held.labels):
            outputs = self.predict(held.texts, verbose=0)
            ranked = rank_answers(outputs, held.texts, no_answer=True)
            self.threshold = tune_no_answer_threshold(ranked, _texts(held.labels))
        return history

    def _batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        labelled: bool = True,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> AnswerBatches:
        if class_weight is not None:
            raise UserError("class_weight is of classes, and answers have none: leave it out.")
        if self.tokenizer is None:
            raise UserError("The model has no vocabulary yet: train it with fit first.")
        order |= {"max_length": self.max_length, "loss": loss}
        sizes = self.max_length, self.overlap
        windows = ContextWindows.of(self.tokenizer, examples.texts, *sizes)  # type: ignore[arg-type]
        if not labelled:
            return AnswerBatches(windows, None, None, batch_size, **order)
        check_answered(examples)
        positions = windows.positions(examples.labels)
        return AnswerBatches(windows, positions, examples.sample_weight, batch_size, **order)

    def _training_batches(self, examples: Examples, batch_size: int, **options: Any) -> Batches:
        data: Any = super()._training_batches(examples, batch_size, **options)
        if options.get("seed") is not None:  # not of what is evaluated on
            data.windows.check_trained(data.labels, examples.labels)
        return data

    def _feature_batches(self, examples: Examples, batch_size: int, **options: Any) -> Batches:
        data = self._batches(examples, batch_size, **options)
        if vectors_fit(data, self.encoder.config.hidden_size):
            data.features = self._kept(
                self.feature_cache,
                lambda: token_vectors(self._vectors_model, data),
                itertools.chain.from_iterable(examples.texts),
                lengths=[self.max_length, self.overlap],
            )
        return data

    def _loss_for(self, data: Batches) -> Any:
        return {name: SpanCrossentropy() for name in SPAN}

    def same_answers(self, data: Any, *options: Any) -> str:
        """Says that one place has the answer in all windows."""
        return same_places(self, data, *options)

    def _outputs(
        self, data: Any, verbose: Any, told: Any, event: str = "predict"
    ) -> dict[str, np.ndarray]:
        return span_logits(self, data, verbose, told, event)

    def _scores(self, examples: Examples, data: Batches, outputs: Any) -> dict[str, Any]:
        threshold = self.threshold
        ranked = rank_answers(outputs, examples.texts, no_answer=threshold is not None)
        chosen = [each.choose(threshold).text for each in ranked]
        loss = span_loss(data.labels, outputs, data.sample_weight)
        return {"loss": loss} | answer_metrics(chosen, _texts(examples.labels))

    def _compiled_metrics(self, labels, outputs, sample_weight) -> dict[str, Any]:
        lengths = np.sum(~np.isneginf(outputs["start_logits"]), axis=1)
        lowest = np.finfo("float32").min  # 0 times -infinity would be no number
        logits = {name: np.maximum(outputs[name], lowest) for name in SPAN}
        targets = span_targets(labels, lengths, logits["start_logits"].shape[1], self.loss)
        return super()._compiled_metrics(targets, logits, sample_weight)

    def answer(
        self,
        question: Any,
        context: Any,
        top_k: int = 1,
        *,
        max_answer_length: int = 30,
        threshold: float | None = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
    ) -> Any:
        """The answer to a question as a part of a text, or those to several questions.

        The answers are those of transformers' `postprocess_qa_predictions`, by which its models
        were evaluated.

        Args:
            question: A question, or a list of them.
            context: The text that has the answer; of several questions a list of texts, or one for
                all of them.
            top_k: How many answers to give, best first.
            max_answer_length: The most tokens of an answer.
            threshold: As of the class, in place of the model's own; `float("inf")` for an answer in
                any case.
            batch_size: Windows in a batch.
            verbose: Whether to show a progress bar; by default for many windows on a terminal.

        Returns:
            The best `Answer`, with its `text`, its `start` and `end` in characters of the context,
            and its `score`, a probability among the answers that were considered; with
            `top_k` above 1 a list of up to so many. The text is empty where there is no answer. Of
            several questions a list of these.

        Raises:
            UserError: A question or a context is empty or no string, or there are not as many.
        """
        check_counts(top_k=top_k, max_answer_length=max_answer_length, batch_size=batch_size)
        is_one, pairs = isinstance(question, str), pair_up(question, context)
        threshold = self.threshold if threshold is None else float(threshold)
        options = {"max_answer_length": max_answer_length, "no_answer": threshold is not None}
        warn_untrained(self)
        outputs = self.predict(pairs, batch_size, verbose)
        found = []
        for ranked in rank_answers(outputs, pairs, n_best=max(top_k, _N_BEST), **options):
            first = ranked.choose(threshold)
            rest = [each for each in ranked.answers if each != first]
            found.append(first if top_k == 1 else [first, *rest][:top_k])
        return found[0] if is_one else found

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("max_length", "overlap", "threshold")
        return super().get_config() | {name: getattr(self, name) for name in names}


def _texts(labels: list[list[tuple[str, int]]]) -> list[list[str]]:
    """The texts alone of the answers to each question."""
    return [[text for text, _ in answers] for answers in labels]
