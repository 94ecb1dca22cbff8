"""BERT that guesses masked words."""

from typing import Any, ClassVar

import keras

from kerasformer.data.raw import TokenCorpus
from kerasformer.errors import UserError
from kerasformer.layers import MaskedLMHead
from kerasformer.models import BertEncoder
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.pretraining.corpus_batches import SegmentBatches
from kerasformer.tasks.pretraining.corpus_task import CorpusTask
from kerasformer.tasks.pretraining.masked_batches import GuessBatches, MaskedBatches
from kerasformer.tasks.pretraining.masked_words import split_positions
from kerasformer.tasks.tagging.token_labels import TokenLabelled
from kerasformer.tasks.texts.reading import columns


@keras.saving.register_keras_serializable(package="kerasformer")
class MaskedLanguageModel(CorpusTask, TokenLabelled):
    """BERT that guesses masked words.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3.1. It is transformers'
    `BertForMaskedLM`, and the `mlm_logits` of TF Hub's BERT; the decoder is tied to the word
    embeddings.

    `fit` takes texts, or pairs of texts, without labels: it chooses 15 % of their tokens, in each
    epoch others, and hides these as BERT's pretraining does. The loss is the mean cross-entropy of
    the tokens chosen. `evaluate` tells their `perplexity` too; like `train_on_batch` it always
    hides the same tokens of the same text. `predict` gives for each text the logits of its masks,
    float32 `[masks, vocab_size]`. Of a `kerasformer.data.raw.TokenCorpus` the texts are full
    sequences of sentences, as RoBERTa is pretrained with.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`, or its `to_json()`. Without
            one `fit` learns a vocabulary from its training texts, or takes that of its corpus.
        max_length: The most tokens of a text, to which `fit` and `evaluate` truncate; by default as
            many as tokenizer and encoder take.
        masked_lm: A head to share with another model, which is built; by default a new one.
        **kwargs: `whole_words`, whether all pieces of a word are hidden together, `freeze_encoder`,
            and Keras arguments of the model.

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
    FIT_METRICS: ClassVar = {"weighted_metrics": ["accuracy"]}  # what is no guess has the weight 0

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Any = None,
        max_length: int | None = None,
        *,
        masked_lm: MaskedLMHead | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length, **kwargs)
        self.masked_lm = self._masked_lm_head() if masked_lm is None else masked_lm
        self.build()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs, positions = split_positions(inputs)
        outputs = self._encode(inputs, ["sequence_output"], training)
        return self.logits(outputs["sequence_output"], positions)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        return self._logits_spec(inputs)

    def _batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        labelled: bool = True,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> GuessBatches | MaskedBatches | SegmentBatches:
        if isinstance(examples.texts, TokenCorpus):
            return self._corpus_batches(examples.texts, batch_size, class_weight, **order)
        self._check_class_weight(class_weight)
        if not labelled:
            return self._masks_of(examples.texts, batch_size, **order)
        if not examples.texts:
            raise UserError("There is no text to train or evaluate on; give at least one.")
        tokenizer = self._known_tokenizer()
        tokenized = tokenizer.tokenize(*columns(examples.texts), max_length=self.max_length)
        order |= {"sample_weight": examples.sample_weight, "batch_size": batch_size}
        return MaskedBatches(
            tokenized, self._masking(tokenizer), max_length=self.max_length, **order
        )
