"""GPT, which guesses the next token, and writes texts."""

import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

import keras
import numpy as np

from kerasformer.data.batches import Batches, TextBatches
from kerasformer.data.raw import TokenCorpus
from kerasformer.errors import UserError
from kerasformer.layers import CausalLMHead
from kerasformer.layers.kernels import embedding_table
from kerasformer.models import CausalDecoder, DecoderConfig
from kerasformer.tasks.examples import Examples, check_counts
from kerasformer.tasks.prediction import predict_each, predict_rows
from kerasformer.tasks.pretraining.causal_batches import CausalBatches
from kerasformer.tasks.pretraining.corpus_task import CorpusTrained
from kerasformer.tasks.pretraining.fill_mask import refuse_longer
from kerasformer.tasks.pretraining.generation import (
    Generator,
    PromptBatches,
    Sampling,
    generate,
)
from kerasformer.tasks.pretraining.next_tokens import NextTokenBatches, NextTokens, ScoredBatches
from kerasformer.tasks.tagging.token_labels import TokenLabelled
from kerasformer.text import Tokenized
from kerasformer.text.texts import check_texts


@keras.saving.register_keras_serializable(package="kerasformer")
class CausalLanguageModel(CorpusTrained, TokenLabelled):
    """GPT, which guesses each token from those before it, and so writes texts.

    Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018, section
    3.1, and "Language Models are Unsupervised Multitask Learners", 2019. It is transformers'
    `GPT2LMHeadModel`, or with a post-LN decoder its `OpenAIGPTLMHeadModel`; the logits are the
    product with the word embeddings.

    `fit` takes texts without labels. Each begins with the tokenizer's `bos_id`, by which its first
    token is guessed, and ends with its `eos_id`; one that is longer than `max_length` loses its
    end. The loss is the mean cross-entropy of the tokens. Of a `kerasformer.data.raw.TokenCorpus`
    `fit` takes windows of `max_length` tokens over the joined documents, each between the same two
    tokens, without any padding.
    `evaluate` tells the `accuracy` and the `perplexity` too. `predict` gives for each text the
    logits of the token that would follow it, float32 `[n, vocab_size]`.

    Args:
        encoder: A `CausalDecoder`.
        tokenizer: The decoder's `kerasformer.text.ByteLevelTokenizer`, `CharBPETokenizer` or
            `WordPieceTokenizer`, or its `to_json()`. Without one `fit` learns a vocabulary from its
            training texts, or takes that of its corpus.
        max_length: The most tokens of a text, to which `fit` and `evaluate` truncate; by default as
            many as tokenizer and decoder take.
        **kwargs: `trained_blocks`, and Keras arguments of the model.

    Call arguments:
        inputs: The decoder's dict of int `[batch, seq]` tensors, or the ids alone.
        training: Whether dropout is on.

    Returns:
        Logits of the token behind each token, float32 `[batch, seq, vocab_size]`.

    Raises:
        ValueError: `encoder` is of another kind.

    Example:

    >>> from kerasformer.models import CausalDecoder, DecoderConfig
    >>> config = DecoderConfig(vocab_size=60, hidden_size=16, num_layers=1, num_heads=2)
    >>> model = CausalLanguageModel(CausalDecoder(config))
    >>> history = model.fit(["the cat sat on the mat", "the dog sat there"], epochs=1, verbose=0)
    >>> model.generate("the cat", max_new_tokens=3).startswith("the cat")
    True
    >>> model.score(["the cat sat", "sat the the"]).shape
    (2,)
    """

    HEADS = ("causal_lm",)
    ENCODERS = (CausalDecoder,)
    FIT_METRICS: ClassVar = {"weighted_metrics": ["accuracy"]}  # padding has the weight 0

    def __init__(
        self,
        encoder: CausalDecoder,
        tokenizer: Any = None,
        max_length: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length, **kwargs)
        self.causal_lm = CausalLMHead(dtype=self.dtype_policy, name="causal_lm")
        self.build()

    @classmethod
    def _scratch_config(cls) -> DecoderConfig:
        sizes = {"num_layers": 2, "hidden_size": 128, "num_heads": 2, "max_length": 512}
        return DecoderConfig(vocab_size=8000, **sizes)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        return self.logits(self._encode(inputs, ["sequence_output"], training)["sequence_output"])

    def logits(self, vectors: Any) -> Any:
        """The logits of the decoder's vectors, float32 `[batch, seq, vocab_size]`."""
        table = embedding_table(self.encoder.embedding.word_embeddings)
        return self.causal_lm(vectors, table)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        shape = (*self._lead(inputs), self.encoder.config.vocab_size)
        return keras.KerasTensor(shape, "float32")

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
        tokenizer, texts = self._fitting_tokenizer(class_weight), examples.texts
        if isinstance(texts, TokenCorpus):
            if not labelled:
                raise UserError("A TokenCorpus is to train or evaluate on: give predict texts.")
            return CausalBatches(texts, tokenizer, batch_size, self.max_length, **order)
        if not texts and labelled:
            raise UserError("There is no text to train or evaluate on; give at least one.")
        if any(not isinstance(text, str) for text in texts):
            raise UserError("A CausalLanguageModel takes texts, and no pairs: join the two.")
        order |= {"batch_size": batch_size, "max_length": self.max_length}
        if not labelled:
            prompts = Tokenized(self._prompts(texts), pad_id=tokenizer.pad_id)
            refuse_longer(prompts, self.max_length)
            return TextBatches(prompts, **order)
        rows = ([tokenizer.bos_id, *ids, tokenizer.eos_id] for ids in tokenizer.ids(texts))
        framed = [row[: self.max_length + 1] for row in rows]
        order["sample_weight"] = examples.sample_weight
        return NextTokenBatches(framed, tokenizer.pad_id, **order)

    def _prompts(self, texts: list[str]) -> list[list[int]]:
        """The token ids of texts to go on from: as transformers has them, one at least."""
        tokenizer = self._fitting_tokenizer(None)
        return [([*tokenizer.before, *ids] or [tokenizer.bos_id]) for ids in tokenizer.ids(texts)]

    def _warn_untrained(self) -> None:
        if self.head_is_new and self.encoder.origin is None:
            warnings.warn(
                "This CausalLanguageModel has not been trained, so its answers are arbitrary: "
                "train it with fit, or load a trained one.",
                stacklevel=3,
            )

    def _outputs(
        self, data: Batches, verbose: Any, told: Any = None, event: str = "predict"
    ) -> np.ndarray:
        width = self.encoder.config.vocab_size
        return predict_rows(self.wrappers.get(NextTokens), data, width, verbose, told, event)

    def generate(
        self,
        prompts: str | Iterable[str],
        max_new_tokens: int = 50,
        *,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        batch_size: int = 8,
    ) -> Any:
        """Continues texts, up to the token that ends a text.

        That is the tokenizer's `eos_token`, or without one the configuration's `eos_token_id`; a
        published OpenAI transformer has neither, and goes on to `max_new_tokens`.

        By default each token is the likeliest one, as in transformers' `generate` with
        `do_sample=False`. With a temperature tokens are drawn: first come the `top_k` likeliest
        ones, and of these the fewest that have the probability `top_p` together (Holtzman et al.,
        https://arxiv.org/abs/1904.09751). What is drawn for a prompt does not depend on the others
        beside it, nor on `batch_size`.

        It is one graph, which XLA compiles on JAX, on a GPU, and after `compile(jit_compile=True)`:
        for seconds, for each of few lengths, and then a small model is several times as quick.

        Args:
            prompts: A text, or several; "" for one from nothing.
            max_new_tokens: The most tokens to add to each.
            temperature: What logits are divided by before tokens are drawn: below 1 texts are more
                predictable. 0 for always the likeliest token.
            top_k: Of how many tokens one is drawn, the likeliest ones; 0 for all.
            top_p: Of which share of the probability.
            seed: Of the draws, by default others each time.
            batch_size: Prompts in a batch.

        Returns:
            The text, or a list of them: the prompt and what continues it, as the tokenizer decodes
            both.

        Raises:
            UserError: A prompt is longer than the model takes, or it has no tokenizer.
            ValueError: A number is out of bounds, or `top_k` or `top_p` is given without a
                temperature.
        """
        check_counts(max_new_tokens=max_new_tokens, batch_size=batch_size)
        check_counts(0, seed=seed)
        sampling = Sampling(temperature, top_k, top_p, seed)
        sampling.check()
        self._warn_untrained()
        texts = check_texts([prompts] if isinstance(prompts, str) else prompts, "prompts")
        tokenizer, ids = self._fitting_tokenizer(None), self._prompts(texts)
        config = self.encoder.config
        end_id = tokenizer.eos_id if tokenizer.names("eos_token") else config.eos_token_id
        given = max_new_tokens, sampling, tokenizer.vocab_size, end_id, batch_size
        prompt_batches = PromptBatches(Tokenized(ids), *given, config.max_length)
        # Compiled as `compile` says, or by default on an accelerator.
        made = generate(self.wrappers.get(Generator, self.jit_compile), prompt_batches)
        whole = [[*one, *more] for one, more in zip(ids, made, strict=True)]
        written = tokenizer.decode(whole)
        return written[0] if isinstance(prompts, str) else written

    def score(
        self, texts: Iterable[str], *, batch_size: int = 32, verbose: str | int = "auto"
    ) -> np.ndarray:
        """The log-likelihood of texts: how natural they are to the model.

        It is the sum of the log-probabilities of their tokens, the first one behind the tokenizer's
        `bos_id`. A longer text has a lower score.

        Args:
            texts: A sequence of strings.
            batch_size: Texts in a batch.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.

        Returns:
            In nats, float32 `[n]`; 0 for a text without tokens.

        Raises:
            UserError: A text has more than `max_length` tokens, or the model has no tokenizer.
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
            Of each text its tokens, each with its log-probability after those before it.
        """
        texts = check_texts(texts)
        scores = self._scores_of(texts, batch_size, verbose)
        rows = zip(self._known_tokenizer().tokens(texts), scores, strict=True)
        return [list(zip(tokens, own.tolist(), strict=True)) for tokens, own in rows]

    def _scores_of(self, texts: Any, batch_size: int, verbose: Any) -> list[np.ndarray]:
        self._warn_untrained()
        check_counts(batch_size=batch_size)
        tokenizer, texts = self._fitting_tokenizer(None), check_texts(texts)
        rows = [[tokenizer.bos_id, *ids] for ids in tokenizer.ids(texts)]
        refuse_longer(Tokenized(row[1:] for row in rows), self.max_length)
        found: list[np.ndarray] = [np.zeros(0, "float32")] * len(rows)
        some = np.array([number for number, row in enumerate(rows) if len(row) > 1], int)
        options = {"batch_size": batch_size, "max_length": self.max_length}
        data = ScoredBatches([rows[i] for i in some], tokenizer.pad_id, **options)

        def keep(batch, outputs):
            for row, own in zip(batch.tolist(), outputs, strict=True):
                found[some[row]] = own[: data.lengths[row]].copy()

        predict_each(self.wrappers.get(NextTokens), data, keep, verbose)
        return found
