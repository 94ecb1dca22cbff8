"""BERT that guesses masked words."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import keras
import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.tasks.examples import Examples, check_counts
from kerasformer.tasks.fitting.filling import fills
from kerasformer.tasks.prediction import predict_each
from kerasformer.tasks.pretraining.fill_mask import (
    FilledMask,
    fill,
    find_masks,
    refuse_longer,
    target_ids,
)
from kerasformer.tasks.pretraining.likelihood import log_probabilities, score_tokens
from kerasformer.tasks.pretraining.masked_batches import (
    EachTokenBatches,
    GuessBatches,
    MaskedBatches,
)
from kerasformer.tasks.pretraining.masked_words import MaskedWords
from kerasformer.tasks.pretraining.text_task import UnlabelledTask
from kerasformer.tasks.tagging.token_labels import TokenLabelled
from kerasformer.tasks.texts.problems import warn_untrained
from kerasformer.tasks.texts.reading import columns
from kerasformer.text.masking import TokenMasking, mask_id_of
from kerasformer.text.texts import check_texts


@keras.saving.register_keras_serializable(package="kerasformer")
class MaskedLanguageModel(UnlabelledTask, TokenLabelled, MaskedWords):
    """BERT that guesses masked words.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3.1. It is transformers'
    `BertForMaskedLM`, and the `mlm_logits` of TF Hub's BERT; the decoder is tied to the word
    embeddings.

    `fit` takes texts, or pairs of texts, without labels: it chooses 15 % of their tokens, in each
    epoch others, and hides these as BERT's pretraining does. The loss is the mean cross-entropy of
    the tokens chosen. `evaluate` tells their `perplexity` too; like `train_on_batch` it always
    hides the same tokens of the same text. `predict` gives for each text the logits of its masks,
    float32 `[masks, vocab_size]`.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`, or its `to_json()`. Without
            one `fit` learns a vocabulary from its training texts.
        max_length: The most tokens of a text, to which `fit` and `evaluate` truncate; by default as
            many as tokenizer and encoder take.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict of int `[batch, seq]` tensors, or the ids alone. It may also have
            `masked_lm_positions`, int `[batch, predictions]`: the positions to score, which takes
            less than scoring all of them.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, predictions or seq, vocab_size]`.

    Raises:
        ValueError: `encoder` is of another kind.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = MaskedLanguageModel(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> history = model.fit(["the cat sat on the mat", "the dog sat there"], epochs=1, verbose=0)
    >>> (guesses,) = model.fill_mask("the [MASK] sat", top_k=2)
    >>> len(guesses), model.score(["the cat sat", "sat the the"]).shape
    (2, (2,))
    """

    HEADS = ("masked_lm",)
    SCORES_VALIDATION = True
    FIT_METRICS: ClassVar = {"weighted_metrics": ["accuracy"]}  # what is no guess has the weight 0

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Any = None,
        max_length: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length, **kwargs)
        self.masked_lm = self._masked_lm_head()
        self.build()

    @property
    def head(self) -> keras.layers.Layer:
        """The layer that gives the logits."""
        return self.masked_lm

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs, positions = self._split_inputs(inputs)
        outputs = self._encode(inputs, ["sequence_output"], training)
        return self._logits(outputs["sequence_output"], positions)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        return self._logits_spec(inputs)

    def _whole_device(self, batch_size: int | None, steps: int | None = None) -> dict[str, Any]:
        return {}  # its outputs are of all tokens of the vocabulary, and fill the memory sooner

    def _loss_for(self, data: Batches) -> Any:
        # The mean over the guesses alone, whose weights are not 0.
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        )

    def _batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        labelled: bool = True,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> GuessBatches | MaskedBatches:
        if class_weight is not None:
            raise UserError("class_weight is of classes, which texts have none of: leave it out.")
        if not labelled:
            return self._masks_of(examples.texts, batch_size, **order)
        if not examples.texts:
            raise UserError("There is no text to train or evaluate on; give at least one.")
        tokenizer = self._known_tokenizer()
        tokenized = tokenizer.tokenize(*columns(examples.texts), max_length=self.max_length)
        order |= {"sample_weight": examples.sample_weight, "batch_size": batch_size}
        masking = TokenMasking.of(tokenizer)
        return MaskedBatches(tokenized, masking, max_length=self.max_length, **order)

    def _training_batches(self, examples: Examples, batch_size: int, **options: Any) -> Batches:
        data: Any = super()._training_batches(examples, batch_size, **options)
        data.check_trained()
        return data

    def _masks_of(self, texts: list[str], batch_size: int, **order: Any) -> GuessBatches:
        """Batches of texts that have masks themselves."""
        tokenizer = self._known_tokenizer()
        mask_id_of(tokenizer)
        tokenized = tokenizer.tokenize(texts)
        masks = find_masks(tokenized, tokenizer, self.max_length)
        order |= {"batch_size": batch_size, "max_length": self.max_length}
        return GuessBatches(tokenized, masks, **order)

    def _outputs(
        self, data: Any, verbose: Any = "auto", told: Any = None, event: str = "predict"
    ) -> list[np.ndarray]:
        outputs: dict[int, np.ndarray] = {}

        def keep(rows, logits):
            for row, its in zip(rows.tolist(), logits, strict=True):
                outputs[row] = its[: len(data.positions[row])].copy()

        predict_each(self, data, keep, verbose, told, event)
        return [outputs[row] for row in range(len(data.positions))]

    def _evaluate(
        self, examples: Examples, data: Any, verbose: Any = 0, told: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        sums = np.zeros(3)

        def keep(rows, logits):
            labels, weights = data.guesses(rows)
            is_guess = weights > 0
            weights, logits = weights[is_guess], logits[is_guess]
            hits = logits.argmax(axis=-1) == labels[is_guess]
            losses = -log_probabilities(logits, labels[is_guess])
            sums[:] += (weights * losses).sum(), (weights * hits).sum(), weights.sum()

        predict_each(self, data, keep, verbose, told, "test")
        if not sums[-1]:
            raise UserError("None of so few tokens was chosen to be guessed: give more texts.")
        loss, accuracy = (sums[:2] / sums[-1]).tolist()
        logs = {"loss": loss, "accuracy": accuracy}
        scores = logs | {"perplexity": math.exp(min(loss, 700.0))}  # more is no float
        if self._compiled_by_hand:
            data.fills = fills(self)
            logs = keras.Model.evaluate(self, data.for_backend(), verbose=0, return_dict=True)
        return scores | logs, logs

    def fill_mask(
        self,
        texts: str | Iterable[str],
        top_k: int = 5,
        targets: str | Iterable[str] | None = None,
        *,
        batch_size: int = 32,
        verbose: str | int = "auto",
    ) -> list:
        """The tokens that fill the masks of texts best, as transformers' fill-mask pipeline.

        Where a text has several masks, each is filled as if the others stayed.

        Args:
            texts: A text, or several, with the tokenizer's mask token, `[MASK]` of BERT's, in the
                place of each word to guess.
            top_k: How many tokens for each mask.
            targets: The words that may fill a mask; by default any. Their scores stay those among
                all tokens.
            batch_size: Texts in a batch.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.

        Returns:
            For each mask of the text a list of `FilledMask`, the most probable first; of several
            texts a list of these.

        Raises:
            UserError: A text has no mask, or more than `max_length` tokens; or the model has no
                tokenizer, or its tokenizer no mask token.
            ValueError: `top_k` is no positive integer.
        """
        check_counts(top_k=top_k, batch_size=batch_size)
        warn_untrained(self)
        tokenizer, is_one = self._known_tokenizer(), isinstance(texts, str)
        texts = check_texts([texts] if isinstance(texts, str) else texts)
        data = self._masks_of(texts, batch_size)
        allowed = None if targets is None else target_ids(targets, tokenizer)
        filled: dict[int, list[list[FilledMask]]] = {}

        def keep(rows, logits):
            for row, its in zip(rows.tolist(), logits, strict=True):
                ids, masks = data.tokenized.ids[row], data.positions[row]
                filled[row] = fill(ids, masks, its[: len(masks)], tokenizer, top_k, allowed)

        predict_each(self, data, keep, verbose)
        return filled[0] if is_one else [filled[row] for row in range(len(texts))]

    def score(
        self, texts: Iterable[str], *, batch_size: int = 32, verbose: str | int = "auto"
    ) -> np.ndarray:
        """The pseudo-log-likelihood of texts: how natural they are to the model.

        Salazar et al., https://arxiv.org/abs/1910.14659: each token is hidden in turn, and the
        log-probabilities of these tokens are summed. A longer text has a lower score.

        Args:
            texts: A sequence of strings. A text of `n` tokens takes as long as `n` of them.
            batch_size: Rows in a batch, one for each token of a text.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.

        Returns:
            In nats, float32 `[n]`; 0 for a text without tokens.

        Raises:
            UserError: A text has more than `max_length` tokens; or the model has no tokenizer, or
                its tokenizer no mask token.
        """
        scores = self._scores_of(texts, batch_size, verbose)
        return np.array([own.sum(dtype="float64") for own in scores], "float32")

    def token_scores(
        self, texts: Iterable[str], *, batch_size: int = 32, verbose: str | int = "auto"
    ) -> list[list[tuple[str, float]]]:
        """The log-probability of each token of texts, whose sum is the `score`.

        Args:
            texts, batch_size, verbose: As of `score`.

        Returns:
            Of each text its tokens, each with its log-probability where it alone is hidden.
        """
        texts = check_texts(texts)
        scores = self._scores_of(texts, batch_size, verbose)
        rows = zip(self._known_tokenizer().tokens(texts), scores, strict=True)
        return [list(zip(tokens, own.tolist(), strict=True)) for tokens, own in rows]

    def _scores_of(self, texts: Any, batch_size: int, verbose: Any) -> list[np.ndarray]:
        warn_untrained(self)
        check_counts(batch_size=batch_size)
        tokenizer = self._known_tokenizer()
        tokenized = tokenizer.tokenize(texts)
        refuse_longer(tokenized, self.max_length)
        data = EachTokenBatches(tokenized, mask_id_of(tokenizer), batch_size, self.max_length)
        return score_tokens(self, data, verbose)
