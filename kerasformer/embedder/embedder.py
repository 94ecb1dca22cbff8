"""`TextEmbedder`: texts to vectors."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasformer.embedder.documents import TextOrWords, checked
from kerasformer.embedder.options import EncodeOptions, Layers, check_whole_number, choose_options
from kerasformer.embedder.pipeline import Pipeline
from kerasformer.embedder.pretrained import read_embedder, save_embedder
from kerasformer.embedder.results import TokenVectors, WordVectors
from kerasformer.embedder.static import StaticPipeline
from kerasformer.layers import LayerPooling
from kerasformer.models import BertEncoder
from kerasformer.models.length import choose_max_length
from kerasformer.models.static import StaticEncoder
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.static import StaticTokenizer


class TextEmbedder:
    """Turns texts into vectors: of sentences, words or tokens, from any layer of an encoder.

    Sentence vectors are the pooled vectors of a text's tokens, near to each other where texts are
    alike: Reimers & Gurevych, "Sentence-BERT", https://arxiv.org/abs/1908.10084. A
    sentence-transformers folder gives the vectors of sentence-transformers. Which layers suit a
    task, and how to combine them: Devlin et al., https://arxiv.org/abs/1810.04805, table 7.
    A forked process cannot use its parent's embedder: it makes its own, or is started by "spawn".

    Args:
        encoder: A `BertEncoder`; or a `StaticEncoder`, of whose vectors a text has the mean.
        tokenizer: Its tokenizer.
        pooling: How a sentence's tokens are pooled: `"mean"` or another name of
            `kerasformer.layers.SequencePooling`; or `"pooled"`, BERT's dense + tanh over the first
            token. Several are concatenated.
        layers: Which hidden states, see `kerasformer.layers.LayerPooling`: an index from the
            embeddings (0) over the first block (1) to the last (-1); a list of indices; `"all"`; a
            named choice such as `"sum_last_four"`; or a `LayerPooling`, such as a trained scalar
            mix.
        combine: How several layers are combined: `"mean"`, `"sum"`, `"concat"`, or `"stack"`,
            which keeps them apart.
        special_tokens: Whether the tokens around a text are pooled, and returned, too.
        max_length: Texts are truncated to this many tokens, special tokens included; by default
            the tokenizer's `max_length`, or the encoder's positions where these are fewer.
        normalize: Whether vectors are scaled to length 1, so that their dot product is a cosine.
        prompt: Put before every text.
        include_prompt: Whether the prompt's tokens are pooled, and returned, too.
        prompts: Further prompts by their names, for `prompt_name` of a call.
        dense: Built Keras layers that a sentence's vector goes through, in order: `Dense`,
            `LayerNormalization`, `UnitNormalization`, `Dropout`.
        dimensions: How many of a sentence's first dimensions are kept; by default all.
        similarity: How vectors are compared, such as by `"dot"`: a note for a saved model.

    Attributes:
        size: The width of the sentence vectors; the arguments are attributes, too.

    Raises:
        UserError: An unknown pooling or layer, or one that the encoder does not have; `max_length`
            is more than the encoder's positions, or leaves no token for a text behind the prompt;
            another encoder's tokenizer.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "dull", "film", "##s"]
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(words)
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
    >>> embedder = TextEmbedder(encoder, tokenizer, normalize=True)
    >>> embedder.encode(["fine films", "dull"]).shape
    (2, 128)
    >>> embedder.encode("fine films", output="word", layers="second_to_last").words
    ['fine', 'films']
    """

    def __init__(
        self,
        encoder: BertEncoder | StaticEncoder,
        tokenizer: WordPieceTokenizer | StaticTokenizer,
        pooling: str | Sequence[str] = "mean",
        *,
        layers: Layers = "last",
        combine: str = "mean",
        special_tokens: bool = True,
        max_length: int | None = None,
        normalize: bool = False,
        prompt: str = "",
        include_prompt: bool = True,
        prompts: Mapping[str, str] | None = None,
        dense: Sequence[keras.layers.Layer] = (),
        dimensions: int | None = None,
        similarity: str = "cosine",
    ):
        self.encoder, self.tokenizer = encoder, tokenizer
        self.layers, self.combine, self.pooling = layers, combine, pooling
        self.special_tokens = special_tokens
        if max_length is not None:
            check_whole_number("max_length", max_length, least=3)
        self.max_length = choose_max_length(max_length, tokenizer, encoder.config.max_length)
        self.normalize = normalize
        self.prompt, self.include_prompt = prompt, include_prompt
        self.prompts = dict(prompts or {})
        self.dense = tuple(dense)
        self.dimensions, self.similarity = dimensions, similarity
        kind: Any = StaticPipeline if isinstance(encoder, StaticEncoder) else Pipeline
        self._pipeline = kind(encoder, tokenizer, self.max_length, include_prompt, self.dense)
        options = self._options()
        self.pooling = options.pooling
        self.size = dimensions or self._pipeline.shape(options)[-1]
        self._pipeline.prompt_tokens(prompt)

    @property
    def weights(self) -> list[keras.Variable]:
        """The variables of the encoder, the dense layers and a mix of layers."""
        mix = [self.layers] if isinstance(self.layers, LayerPooling) else []
        return [weight for layer in (self.encoder, *self.dense, *mix) for weight in layer.weights]

    @classmethod
    def from_pretrained(
        cls, source: str | os.PathLike, dtype: str | None = None, **settings: Any
    ) -> "TextEmbedder":
        """Reads a published model, with the pooling, length and scaling that it is meant for.

        A sentence-transformers folder defines these; the tokens of any other model are averaged.

        Args:
            source: A folder in any format of `kerasformer inspect`, a preset's name such as
                `"all-MiniLM-L6-v2"`, or a handle; see `kerasformer.resolve`.
            dtype: Keras dtype policy of the encoder, such as `"mixed_bfloat16"`, which computes in
                half precision, or `"bfloat16"`, which holds the weights in it too: of 1,200 texts,
                all-MiniLM-L6-v2's cosines to float32 were at least 0.9999. A processor on which
                bfloat16 is slower computes larger jobs in float32, on a copy of the weights.
            **settings: Arguments of the class, which override what the source defines.

        Raises:
            UserError: There is no such source, or it has no BERT encoder or an unknown module.
        """
        encoder, tokenizer, defined = read_embedder(source, dtype)
        return cls(encoder, tokenizer, **defined | settings)

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Writes a sentence-transformers folder, for `from_pretrained` and sentence-transformers.

        Both give equal vectors. Combinations of layers that sentence-transformers does not have
        (all but weighted averages) are a module of kerasformer, which it refuses to load.

        Args:
            folder: Output folder, created if missing. Each file is written atomically.

        Raises:
            UserError: The folder cannot be written to, or the embedder leaves out special tokens,
                pools by `"pooled"`, or has layers that sentence-transformers lacks.

        Example:

        >>> from kerasformer.models import EncoderConfig
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "film"]
        >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
        >>> embedder = TextEmbedder(encoder, WordPieceTokenizer.from_vocabulary(words), "cls")
        >>> embedder.save_pretrained("model")
        >>> TextEmbedder.from_pretrained("model").pooling
        ('cls',)
        """
        save_embedder(self, folder)

    def encode(
        self,
        texts: str | Iterable[TextOrWords],
        pairs: str | Iterable[TextOrWords] | None = None,
        *,
        output: str = "sentence",
        layers: Layers | None = None,
        combine: str | None = None,
        pooling: str | Sequence[str] | None = None,
        special_tokens: bool | None = None,
        normalize: bool | None = None,
        prompt: str | None = None,
        prompt_name: str | None = None,
        word_pooling: str = "mean",
        dtype: str = "float32",
        dimensions: int | None = None,
        long: str = "truncate",
        overlap: int | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | Callable[[int], object] | None = None,
    ) -> Any:
        """The vectors of texts.

        Args:
            texts: The texts, an iterable of str; for `output="word"` also of lists of words. One
                str gives one result.
            pairs: The second text of each pair, which gets segment 1; as many as the texts.
            output: `"sentence"`, one vector for a text; `"token"`; `"word"`, where the vectors of
                a word's tokens are pooled and special tokens are left out; or `"hidden_states"`,
                as `"token"` with all layers, the embeddings first.
            layers, combine, pooling, special_tokens, prompt: As in the class; by default the
                embedder's.
            normalize: Whether to scale every vector to length 1; by default sentences as the
                embedder does, and others not.
            prompt_name: The name of one of the embedder's prompts, in place of `prompt`.
            word_pooling: How the vectors of a word's tokens are pooled: `"mean"`, `"sum"`,
                `"first"` or `"max"`.
            dtype: `"float32"`; `"float16"`; `"int8"`, each vector scaled so that its largest
                absolute value is 127; or `"binary"`, the signs packed to uint8.
            dimensions: How many of the first dimensions to keep; by default the embedder's.
            long: What is done with longer texts than `max_length`: `"truncate"`, or `"window"`,
                overlapping windows. A token's vector is then that of the window in which it has
                most context, and a sentence's is pooled of all of them; `"cls"` and `"pooled"` are
                averaged over the windows.
            overlap: The tokens that two windows share; by default a quarter of a window.
            batch_size: Texts in a batch; by default as many as make about 2,048 tokens.
            show_progress_bar: Whether to show one, by default for many texts on a terminal; or a
                function to call with the number of texts done since its last call.

        Returns:
            For sentences an array `[n, size]` in the order of the texts, `[n, layers, hidden]` with
            `combine="stack"`; else a list of `TokenVectors` or of `WordVectors`.

        Raises:
            UserError: A text is not a str or its vector not finite, or an argument does not fit.

        Warns:
            TruncationWarning: Texts were truncated.
        """
        options = self._options(
            output=output,
            layers=layers,
            combine=combine,
            pooling=pooling,
            special_tokens=special_tokens,
            normalize=normalize,
            prompt=prompt,
            prompt_name=prompt_name,
            word_pooling=word_pooling,
            dtype=dtype,
            dimensions=dimensions,
            long=long,
            overlap=overlap,
            batch_size=batch_size,
        )
        if is_single := isinstance(texts, str):
            texts, pairs = [texts], pairs if pairs is None else [pairs]  # type: ignore[list-item]
        items = list(checked(texts, pairs, output == "word"))
        parts = self._pipeline.run(items, options, len(items), show_progress_bar)
        if output == "sentence":
            results: Any = self._pipeline.empty(options, len(items))
            done = 0
            for part in parts:
                results[done : done + len(part)] = part
                done += len(part)
        else:
            results = [result for part in parts for result in part]
        return results[0] if is_single else results

    def stream(
        self,
        texts: Iterable[TextOrWords],
        pairs: Iterable[TextOrWords] | None = None,
        *,
        show_progress_bar: bool | Callable[[int], object] | None = False,
        **options: Any,
    ) -> Iterator[np.ndarray | TokenVectors | WordVectors]:
        """The vectors of texts, one after another, in memory that does not grow with their number.

        The arguments and results are those of `encode`, but the iterables may be endless, and there
        is no progress bar by default. The texts are read in pools of 10,000, or fewer long ones,
        and sorted by length in each.

        Raises:
            UserError: As `encode`; of a text, when it is reached.

        Warns:
            TruncationWarning: Texts were truncated; once, at the end.

        Example:

        >>> from kerasformer.models import EncoderConfig
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "film"]
        >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
        >>> embedder = TextEmbedder(encoder, WordPieceTokenizer.from_vocabulary(words))
        >>> [vector.shape for vector in embedder.stream(iter(["A fine film.", "Fine!"]))]
        [(128,), (128,)]
        """
        chosen = self._options(**options)
        items = checked(texts, pairs, chosen.output == "word")
        parts = self._pipeline.run(items, chosen, None, show_progress_bar)
        return (result for part in parts for result in part)

    def _options(self, **given: Any) -> EncodeOptions:
        options = choose_options(self, given)
        options.check_fits(self.encoder)
        self._pipeline.shape(options)
        return options
