"""What the models with a masked-LM head answer about texts."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasformer.tasks.examples import check_counts
from kerasformer.tasks.prediction import predict_each
from kerasformer.tasks.pretraining.fill_mask import (
    FilledMask,
    fill,
    find_masks,
    refuse_longer,
    target_ids,
)
from kerasformer.tasks.pretraining.likelihood import score_tokens
from kerasformer.tasks.pretraining.masked_batches import EachTokenBatches, GuessBatches
from kerasformer.tasks.pretraining.masked_words import MaskedWords
from kerasformer.tasks.pretraining.text_task import UnlabelledTask
from kerasformer.tasks.texts.problems import warn_untrained
from kerasformer.text.masking import mask_id_of
from kerasformer.text.texts import check_texts


class MaskFilling(UnlabelledTask, MaskedWords):
    """An encoder's task with a masked-LM head that fills masks, and tells how natural texts are."""

    @property
    def head(self) -> keras.layers.Layer:
        """The layer that gives the logits of hidden tokens."""
        return self.masked_lm

    def mlm_logits(self, outputs: Any) -> Any:
        """The logits of the masked-LM head among the model's outputs."""
        return outputs

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
        kept: dict[int, np.ndarray] = {}

        def keep(rows, outputs):
            for row, its in zip(rows.tolist(), self.mlm_logits(outputs), strict=True):
                kept[row] = its[: len(data.positions[row])].copy()

        predict_each(self, data, keep, verbose, told, event)
        return [kept[row] for row in range(len(data.positions))]

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

        def keep(rows, outputs):
            for row, its in zip(rows.tolist(), self.mlm_logits(outputs), strict=True):
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
