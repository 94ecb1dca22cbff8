"""BERT with the heads that it is pretrained with: masked words, and the next sentence."""

from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.data.raw import TokenCorpus
from kerasformer.models import BertEncoder
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.heads import new_head
from kerasformer.tasks.pretraining.corpus_task import CorpusTask
from kerasformer.tasks.pretraining.guess_scores import perplexity
from kerasformer.tasks.pretraining.masked_words import split_positions

_OUTPUTS = ("mlm_logits", "next_sentence_logits")
# What Keras calls the losses and the accuracies of the outputs, and we.
_NAMES = {
    f"{output}_{metric}": f"{name}_{metric}"
    for output, name in zip(_OUTPUTS, ("masked_lm", "next_sentence"), strict=True)
    for metric in ("loss", "accuracy")
}


@keras.saving.register_keras_serializable(package="kerasformer")
class PretrainingModel(CorpusTask):
    """BERT with both heads that it is pretrained with.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3.1. It is transformers'
    `BertForPreTraining`.

    `fit` takes a `kerasformer.data.raw.TokenCorpus`, or texts, each of them a document of several
    sentences. Examples are pairs of segments, half of which follow each other; 15 % of the tokens
    are hidden, in each epoch others. The loss is the mean cross-entropy of the tokens hidden, plus
    that of whether the second segment follows. `evaluate` tells of both accuracy and loss, and the
    `perplexity` of the tokens. `predict` gives for each text the logits of its masks, float32
    `[masks, vocab_size]`.

    Args:
        encoder: A `BertEncoder` with a pooler.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`, or its `to_json()`. Without
            one `fit` learns a vocabulary from its training texts, or takes that of its corpus.
        max_length: The most tokens of an example; by default as many as tokenizer and encoder take.
        **kwargs: `whole_words`, whether all pieces of a word are hidden together, `freeze_encoder`,
            and Keras arguments of the model.

    Call arguments:
        inputs: As of `MaskedLanguageModel`.
        training: Whether dropout is on.

    Returns:
        A dict of `mlm_logits`, as of `MaskedLanguageModel`, and `next_sentence_logits`, as of
        `NextSentencePredictor`.

    Raises:
        ValueError: `encoder` is of another kind, or has no pooler.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = PretrainingModel(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> texts = ["The cat sat. It slept on the mat.", "The dog ran. It ran to the cat."] * 2
    >>> history = model.fit(texts, epochs=1, verbose=0)
    >>> list(model.evaluate(texts, verbose=0, return_dict=True))[:3]
    ['loss', 'masked_lm_loss', 'masked_lm_accuracy']
    >>> {name: tuple(x.shape) for name, x in model(np.array([[2, 17, 3, 54, 3]])).items()}
    {'mlm_logits': (1, 5, 100), 'next_sentence_logits': (1, 2)}
    """

    HEADS = ("masked_lm", "next_sentence")
    NEEDS_POOLER = NEXT_SENTENCE = True
    # What is no guess has the weight 0.
    FIT_METRICS = MappingProxyType(
        {"weighted_metrics": {output: ["accuracy"] for output in _OUTPUTS}}
    )

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Any = None,
        max_length: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length, **kwargs)
        self.masked_lm = self._masked_lm_head()
        self.next_sentence = new_head(encoder, 2, "next_sentence")
        self.build()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs, positions = split_positions(inputs)
        outputs = self._encode(inputs, ["sequence_output", "pooled_output"], training)
        return {
            "mlm_logits": self.logits(outputs["sequence_output"], positions),
            "next_sentence_logits": self.next_sentence(outputs["pooled_output"]),
        }

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shapes and dtypes of what a call returns."""
        logits = self._logits_spec(inputs)
        next_sentence = keras.KerasTensor((logits.shape[0], 2), "float32")
        return {"mlm_logits": logits, "next_sentence_logits": next_sentence}

    def mlm_logits(self, outputs: Any) -> Any:
        """The logits of the masked-LM head among the model's outputs."""
        return outputs["mlm_logits"]

    def get_metrics_result(self) -> dict[str, Any]:
        """As in Keras, named after the heads."""
        return {
            _NAMES.get(name, name): value for name, value in super().get_metrics_result().items()
        }

    def _loss_for(self, data: Batches) -> Any:
        return {output: super(PretrainingModel, self)._loss_for(data) for output in _OUTPUTS}

    def _logs_of(self, scores: np.ndarray) -> tuple[dict[str, float], tuple[str, ...]]:
        (loss, accuracy), (next_loss, next_accuracy) = scores.tolist()
        metrics = {
            "loss": loss + next_loss,
            "masked_lm_loss": loss,
            "masked_lm_accuracy": accuracy,
            "perplexity": perplexity(loss),
            "next_sentence_loss": next_loss,
            "next_sentence_accuracy": next_accuracy,
        }
        return metrics, ("loss", *_NAMES.values())

    def _batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        labelled: bool = True,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> Batches:
        if not labelled:
            return self._masks_of(examples.texts, batch_size, **order)
        corpus = examples.texts
        if not isinstance(corpus, TokenCorpus):
            corpus = TokenCorpus.of(corpus, self._known_tokenizer())
        return self._corpus_batches(corpus, batch_size, class_weight, **order)
