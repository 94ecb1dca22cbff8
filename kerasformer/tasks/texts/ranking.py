"""Texts ranked by how well each goes with a query, by a classifier of pairs."""

from collections.abc import Iterable
from typing import Any

from kerasformer.errors import UserError
from kerasformer.formatting import listed
from kerasformer.models.problems import SINGLE_LABEL
from kerasformer.tasks.examples import check_counts
from kerasformer.tasks.prediction import check_answers
from kerasformer.tasks.texts.problems import warn_untrained
from kerasformer.tasks.texts.string_classifier import StringClassifier
from kerasformer.text.texts import check_text, check_texts


class Ranking(StringClassifier):
    """A classifier of pairs of texts, which can rank."""

    def rank(
        self,
        query: str,
        texts: Iterable[str],
        top_k: int | None = None,
        *,
        class_name: str | None = None,
        **kwargs: Any,
    ) -> list[dict[str, Any]]:
        """Texts by how well each goes with a query, the best first, of a model of pairs.

        Args:
            query: The first text of each pair.
            texts: The second ones.
            top_k: How many to return; None for all.
            class_name: The class whose probability is the score. By default the last of two, by
                custom the positive one; a model of one output is ranked by that number itself,
                as sentence-transformers' `CrossEncoder.rank` is.
            **kwargs: Further arguments of `predict`.

        Returns:
            Dicts with `index`, the text's place in `texts`, `score`, and `text`. Of equal scores
            the first text is first.

        Raises:
            UserError: A text is no string, or it is not clear which class is the score.

        Example:

        >>> from kerasformer.models import BertEncoder, EncoderConfig
        >>> from kerasformer.tasks import TextClassifier
        >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=40))
        >>> classifier = TextClassifier(["other", "relevant"], encoder)
        >>> texts = [("rain", "wet"), ("rain", "dry")]
        >>> history = classifier.fit(texts, ["relevant", "other"], verbose=0)
        >>> [sorted(one) for one in classifier.rank("rain", ["dry", "wet"], top_k=1)]
        [['index', 'score', 'text']]
        """
        check_text(query, "query")
        check_counts(top_k=top_k)
        texts, column = check_texts(texts), self._ranked_class(class_name)
        warn_untrained(self)
        outputs = self.predict([(query, text) for text in texts], **kwargs)
        is_number = len(self.class_names) == 1
        scores = check_answers(outputs) if is_number else self._problem.probabilities(outputs)
        order = (-scores[:, column]).argsort(kind="stable").tolist()[:top_k]
        rows = ({"index": i, "score": float(scores[i, column]), "text": texts[i]} for i in order)
        return list(rows)

    def _ranked_class(self, class_name: str | None) -> int:
        if class_name in self.class_names:
            return self.class_names.index(class_name)
        is_clear = len(self.class_names) == 1 or (
            self.problem_type == SINGLE_LABEL and len(self.class_names) == 2
        )
        if class_name is None and is_clear:
            return len(self.class_names) - 1
        asked = "which" if class_name is None else f"not {class_name!r}"
        raise UserError(
            f"Texts are ranked by one of the {len(self.class_names)} classes, {asked}: give "
            f"class_name, one of {listed(self.class_names, 5)}."
        )
