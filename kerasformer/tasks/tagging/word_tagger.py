"""Training on sentences of tagged words, and the tags and entities that a model of tokens gives."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.tasks.encoder_classifier import EncoderClassifier
from kerasformer.tasks.examples import Examples, gather
from kerasformer.tasks.prediction import check_answers, predict_each
from kerasformer.tasks.tagging.entities import AGGREGATIONS, Entity, token_entities
from kerasformer.tasks.tagging.tag_scores import tag_scores
from kerasformer.tasks.tagging.tagged import flat_labels, holds_words, read_tagged
from kerasformer.tasks.tagging.token_batches import TokenBatches, WordLabelled, WordWindows
from kerasformer.tasks.tagging.token_labels import TokenLabelled
from kerasformer.tasks.texts.problems import warn_untrained
from kerasformer.tasks.trainable import Trainable
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.texts import check_texts, chunks
from kerasformer.text.words import WordTokens, word_tokens


class WordTagger(Trainable, TokenLabelled, EncoderClassifier):
    """A classifier of tokens whose examples are sentences, as lists of words.

    A word is judged by its first token; a sentence that is longer than `max_length` in several
    windows, each word in the one that has most context of it.
    """

    SCORES_VALIDATION = True
    HIDDEN = ("macro_", "weighted_", "support")
    FIT_METRICS = MappingProxyType({"weighted_metrics": ["accuracy"]})  # 0 of what is no word

    max_length: int
    overlap: int | None

    _holds = staticmethod(holds_words)
    _read = staticmethod(read_tagged)

    def _new_tokenizer(self, texts: list[str]) -> WordPieceTokenizer:
        # Upper case tells names.
        return WordPieceTokenizer.train(texts, self.encoder.config.vocab_size, lowercase=False)

    def _own_tokenizer(self) -> WordPieceTokenizer:
        if self.tokenizer is None:
            raise UserError("The model has no vocabulary yet: train it with fit on words first.")
        if not isinstance(self.tokenizer, WordPieceTokenizer):
            raise UserError(
                f"A {type(self).__name__} needs a WordPieceTokenizer to take words, and has a "
                f"{type(self.tokenizer).__name__}."
            )
        return self.tokenizer

    def _windows(self, sentences: list) -> WordWindows:
        tokenizer = self._own_tokenizer()
        tokens = word_tokens(tokenizer, sentences)
        return WordWindows.of(tokenizer, tokens, self.max_length, self.overlap)

    def _loss_for(self, data: Batches) -> Any:
        # The mean over the words alone, whose weights are not 0.
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
    ) -> TokenBatches:
        columns = flat_labels(examples, self.class_names, class_weight) if labelled else ()
        windows = self._windows(examples.texts)
        order |= {"batch_size": batch_size, "max_length": self.max_length}
        return TokenBatches(windows, *columns, **order)

    def _outputs(
        self, data: WordLabelled, verbose: Any, told: Any, event: str = "predict"
    ) -> list[np.ndarray]:
        logits = np.zeros((sum(data.counts), len(self.class_names)), "float32")
        predict_each(self, data, data.keeper(logits), verbose, told, event)
        return np.split(logits, np.cumsum(data.counts)[:-1]) if data.counts else []

    def _scores(self, examples: Examples, data: Batches, outputs: Any) -> dict[str, Any]:
        logits = np.concatenate(_checked(outputs, "words"))
        lengths = list(map(len, examples.texts))
        return tag_scores(data.labels, logits, lengths, self.class_names, data.sample_weight)

    def _compiled_metrics(self, labels, logits, sample_weight) -> dict[str, Any]:
        return super()._compiled_metrics(labels, np.concatenate(logits), sample_weight)

    def predict_on_batch(self, x: Any) -> Any:
        """As `predict` of words; of tensors as `keras.Model.predict_on_batch`."""
        x = gather(x)
        return self.predict(x, verbose=0) if self._holds(x) else super().predict_on_batch(x)

    def tag(self, words: Any, **kwargs: Any) -> list[list[str]]:
        """The name of the most probable class of each word of each sentence.

        Args:
            words: Sentences as lists of words, as `predict` takes them.
            **kwargs: Further arguments of `predict`.
        """
        warn_untrained(self)
        outputs = _checked(self.predict(words, **kwargs), "words")
        return [[self.class_names[i] for i in each.argmax(axis=-1)] for each in outputs]

    def entities(
        self,
        texts: Iterable[str],
        aggregation: str = "first",
        batch_size: int = 32,
        verbose: str | int = "auto",
    ) -> list[list[Entity]]:
        """The entities in raw texts, as transformers' `TokenClassificationPipeline` groups them.

        Args:
            texts: The texts: a list, a tuple, an array or another iterable of str.
            aggregation: How tokens make words and words entities, as of `token_entities`: by
                default a word has the class of its `"first"` token, as in training; or
                `"average"`, `"max"`, `"simple"` or `"none"`.
            batch_size: Texts in a batch.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.

        Returns:
            For each text its entities, by where they begin.

        Raises:
            UserError: A text is not a str, the model has no vocabulary yet, or there is no such
                aggregation.
        """
        texts = check_texts(texts)
        if aggregation not in AGGREGATIONS:
            raise UserError(
                f"aggregation is {aggregation!r}, and must be one of {', '.join(AGGREGATIONS)}."
            )
        tokenizer = self._own_tokenizer()
        warn_untrained(self)
        found = []
        for part in chunks(texts):
            encodings = list(tokenizer.encodings(part))
            tokens = (WordTokens(each.ids, list(range(len(each.ids)))) for each in encodings)
            words = WordWindows.of(tokenizer, tokens, self.max_length, self.overlap)
            data = TokenBatches(words, batch_size=batch_size, max_length=self.max_length)
            outputs = _checked(self._outputs(data, verbose, None), "tokens")
            for text, encoding, logits in zip(part, encodings, outputs, strict=True):
                of_word = [-1 if word is None else word for word in encoding.word_ids]
                given = [logits], [encoding.offsets], [of_word]
                found.append(token_entities(text, *given, self.class_names, aggregation))
        return found


def _checked(outputs: list[np.ndarray], name: str) -> list[np.ndarray]:
    return [check_answers(each, f"{name}[{i}]") for i, each in enumerate(outputs)]
