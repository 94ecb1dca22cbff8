"""What the models share that are pretrained on a corpus of raw text."""

from typing import Any

import keras
import numpy as np

from kerasformer.checkpoints import Checkpoint
from kerasformer.data.batches import Batches
from kerasformer.data.raw import TokenCorpus
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.models.data_parallel import is_first_process
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.fitting.filling import fills
from kerasformer.tasks.pretraining.corpus_batches import CorpusBatches, SegmentBatches
from kerasformer.tasks.pretraining.corpus_progress import CorpusProgress
from kerasformer.tasks.pretraining.guess_scores import GuessScorer, perplexity, score_guesses
from kerasformer.tasks.pretraining.mask_filling import MaskFilling
from kerasformer.tasks.pretraining.masked_batches import GuessBatches
from kerasformer.tasks.pretraining.text_task import UnlabelledTask
from kerasformer.tasks.pretraining.wrappers import Wrappers
from kerasformer.text import Tokenizer
from kerasformer.text.masking import TokenMasking
from kerasformer.training import Recipe
from kerasformer.training.callbacks import as_callbacks


class CorpusExamples(Examples):
    """The documents of a `TokenCorpus`, as `texts`."""

    def split(self, share: float) -> tuple["CorpusExamples", "CorpusExamples"]:
        """All documents but a share of them, and these, chosen at random."""
        train, held = self.texts.divided(share)
        return CorpusExamples(train), CorpusExamples(held)

    def part(self, rows: slice) -> "CorpusExamples":
        """Some of the documents."""
        return CorpusExamples(self.texts.take(np.arange(len(self.texts))[rows]))


class CorpusTrained(UnlabelledTask):
    """A task that `fit` trains on a `kerasformer.data.raw.TokenCorpus`.

    Without a tokenizer, as from scratch, it takes that of the corpus.

    A child with several outputs tells by `_logs_of` what their scores are called.
    """

    SCORES_VALIDATION = True

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.wrappers = Wrappers(self)

    def _logs_of(self, scores: np.ndarray) -> tuple[dict[str, float], tuple[str, ...]]:
        """All metrics, and the names of those that Keras' `evaluate` would return of them.

        Args:
            scores: The loss and the share of hits of each output, `[outputs, 2]`.
        """
        ((loss, accuracy),) = scores.tolist()
        metrics = {"loss": loss, "accuracy": accuracy, "perplexity": perplexity(loss)}
        return metrics, ("loss", "accuracy")

    @property
    def recipe(self) -> Recipe:
        """The hyperparameters that `fit` uses where its arguments do not say otherwise."""
        is_new = self.encoder.origin is None and not self.encoder_is_frozen
        return self.SCRATCH_RECIPE if is_new else super().recipe

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Its heads; or with `new_heads` those that the source has, the others being new."""
        new_heads = kwargs.pop("new_heads", False)
        heads, settings = super()._heads_to_read(checkpoint, kwargs)
        if new_heads:
            heads = {name: classes for name, classes in heads.items() if name in checkpoint.heads}
        return heads, settings

    def _holds(self, x: Any) -> bool:
        return isinstance(x, TokenCorpus) or super()._holds(x)

    def _read(
        self, x: Any, y: Any = None, sample_weight: Any = None, *args: Any, **kwargs: Any
    ) -> Examples:
        if y is not None or not isinstance(x, TokenCorpus):
            return super()._read(x, y, sample_weight, *args, **kwargs)
        if sample_weight is not None:
            raise UserError("The documents of a corpus all weigh alike: leave sample_weight out.")
        if not len(x):
            raise UserError("The corpus has no document: take one at least.")
        return CorpusExamples(x)

    def _new_tokenizer(self, texts: list[Any]) -> Tokenizer:
        match texts:
            case [TokenCorpus() as corpus] if self.is_from_scratch:
                self._check_vocabulary(corpus.tokenizer)
                return corpus.tokenizer
        return super()._new_tokenizer(texts)

    def _whole_device(self, batch_size: int | None, steps: int | None = None) -> dict[str, Any]:
        return {}  # its outputs are of all tokens of the vocabulary, and fill the memory sooner

    def _fitting_tokenizer(self, class_weight: Any) -> Any:
        """The tokenizer, whose tokens all have embeddings."""
        self._check_class_weight(class_weight)
        tokenizer = self._known_tokenizer()
        self._check_vocabulary(tokenizer)
        return tokenizer

    def _check_vocabulary(self, tokenizer: Any) -> None:
        """Refuses a tokenizer with tokens that have no embeddings."""
        rows = self.encoder.config.vocab_size
        if tokenizer.vocab_size > rows:
            raise UserError(
                f"The vocabulary has {tokenizer.vocab_size:,} tokens and the encoder embeddings "
                f"for {rows:,}: give an encoder with vocab_size={tokenizer.vocab_size}, or the "
                "vocabulary that it was made for."
            )

    def _loss_for(self, data: Batches) -> Any:
        # The mean over the guesses alone, whose weights are not 0.
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        )

    def _train(
        self, data: Batches, validation: Batches | None, recipe: Recipe, **options: Any
    ) -> keras.callbacks.History:
        is_shown = options.get("verbose", "auto") != 0 and is_first_process()
        if not isinstance(data, CorpusBatches) or self._compiled_by_hand or not is_shown:
            return super()._train(data, validation, recipe, **options)
        progress = CorpusProgress(data, recipe)
        options |= {"callbacks": [*as_callbacks(options["callbacks"]), progress], "verbose": 0}
        try:
            return super()._train(data, validation, recipe, **options)
        finally:
            progress.close()

    def _evaluate(
        self, examples: Examples, data: Any, verbose: Any = 0, told: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        scorer = self.wrappers.get(GuessScorer)
        scores, names = self._logs_of(score_guesses(scorer, data, verbose, told, "test"))
        logs = {name: scores[name] for name in names}
        if self._compiled_by_hand:
            data.fills = fills(self)
            logs = keras.Model.evaluate(self, data.for_backend(), verbose=0, return_dict=True)
        return scores | logs, logs


class CorpusTask(MaskFilling, CorpusTrained):
    """An encoder's task that guesses hidden tokens of a corpus; a child has `NEXT_SENTENCE`.

    Args:
        encoder, tokenizer, max_length: As of `TextTask`.
        whole_words: Whether all pieces of a word are hidden together.
        **kwargs: As of `TextTask`.
    """

    NEXT_SENTENCE = False  # whether examples are pairs of segments
    # The learning rate of a new encoder times its width. With a few times larger steps it learns
    # how frequent words are and no more: BERT mini on IMDB's reviews is at a loss of 5.0 after 4
    # million tokens at 4e-4, in batches of 32 x 64, and of 6.1 after more of them at 1e-3, in
    # batches of 16 x 64. BERT large had 1e-4.
    _RATE_TIMES_WIDTH = 0.1
    SETTINGS = (*UnlabelledTask.SETTINGS, "whole_words")

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Any = None,
        max_length: int | None = None,
        *,
        whole_words: bool = False,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length, **kwargs)
        self.whole_words = bool(whole_words)

    @property
    def recipe(self) -> Recipe:
        """The hyperparameters that `fit` uses where its arguments do not say otherwise."""
        recipe = super().recipe
        if recipe is not self.SCRATCH_RECIPE:
            return recipe
        rate = self._RATE_TIMES_WIDTH / self.encoder.config.hidden_size
        return recipe.change(learning_rate=min(recipe.learning_rate, rate))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "whole_words": self.whole_words}

    def _masking(self, tokenizer: Any) -> TokenMasking:
        return TokenMasking.of(tokenizer, whole_words=self.whole_words)

    def _masks_of(self, texts: Any, batch_size: int, **order: Any) -> GuessBatches:
        if isinstance(texts, TokenCorpus):
            raise UserError(
                "A TokenCorpus is to train or evaluate on, and a corpus of token ids has no masks "
                "to fill: give predict texts with masks."
            )
        return super()._masks_of(texts, batch_size, **order)

    def _corpus_batches(
        self, corpus: TokenCorpus, batch_size: int, class_weight: Any, **order: Any
    ) -> SegmentBatches:
        tokenizer = self._fitting_tokenizer(class_weight)
        order |= {"next_sentence": self.NEXT_SENTENCE, "masking": self._masking(tokenizer)}
        return SegmentBatches(corpus, tokenizer, batch_size, self.max_length, **order)
