"""`TextEmbedder`: texts to vectors."""

import warnings

import keras

from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.formats.sentence_transformers import read_modules
from kerasformer.embedder.documents import checked, pools
from kerasformer.embedder.pipeline import Pipeline
from kerasformer.embedder.progress import progress
from kerasformer.embedder.request import (
    Request,
    check_whole_number,
    default_combine,
    layer_pooling,
    pooling_modes,
)
from kerasformer.embedder.results import TruncationWarning
from kerasformer.models import BertEncoder
from kerasformer.sources.resolve import resolve

_POOL_TEXTS = 10_000
_POOL_CHARACTERS = 5_000_000
# Of outputs with vectors for each token, as there may be a token for each character.
_POOL_BYTES = 2**30


class TextEmbedder:
    """Turns texts into vectors: of sentences, words or tokens, from any layer of an encoder.

    Sentence vectors are near to each other where the texts are alike, Reimers & Gurevych,
    "Sentence-BERT", https://arxiv.org/abs/1908.10084: the vectors of a text's tokens, pooled. A
    sentence-transformers folder gives the vectors of sentence-transformers. Which layers suit a
    task, and how to combine them: Devlin et al., https://arxiv.org/abs/1810.04805, table 7.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`.
        pooling: How a sentence's tokens are pooled: `"mean"`, `"max"` or `"mean_sqrt_len"` (their
            sum divided by the square root of their number) of its tokens, `"cls"`, the first token,
            or `"pooled"`, BERT's dense + tanh over the first token; or several, whose vectors are
            concatenated.
        layers: Which hidden states: an index, from the embeddings (0) over the first block (1) to
            the last (-1); a list of indices; `"all"`, the embeddings too; a choice of
            `kerasformer.layers.NAMED_LAYERS`, such as `"second_to_last"`, `"sum_last_four"`,
            `"concat_last_four"` or `"sum_all"`; or a `kerasformer.layers.LayerPooling`, such as a
            trained scalar mix.
        combine: What is done with a list: `"mean"`, `"sum"`, `"concat"`, or `"stack"`, which keeps
            them apart.
        special_tokens: Whether the tokens around a text are pooled, and given, too.
        max_length: Texts are cut after this many tokens, special tokens included; by default, and
            at most, the encoder's positions.
        normalize: Whether vectors are scaled to length 1, so that their dot product is a cosine.
        prompt: What is put before every text.
        include_prompt: Whether the prompt's tokens are pooled, and given, too.
        dense: Built `keras.layers.Dense` layers that a sentence's vector goes through, in order.

    Attributes:
        size: The width of the sentence vectors.
        pooling, layers, combine, special_tokens, max_length, normalize, prompt, include_prompt,
            dense: What `encode` does where it is not told otherwise.

    Raises:
        UserError: An unknown pooling or layer, or one that the encoder does not have; `max_length`
            leaves no token for a text behind the prompt.

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
        encoder,
        tokenizer,
        pooling="mean",
        *,
        layers="last",
        combine="mean",
        special_tokens=True,
        max_length=None,
        normalize=False,
        prompt="",
        include_prompt=True,
        dense=(),
    ):
        positions = encoder.config.max_length
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.layers, self.combine = layers, combine
        self._layer_pooling = layer_pooling(layers, default_combine(layers, combine))
        self.pooling = pooling_modes(pooling)
        self.special_tokens = special_tokens
        self.max_length = positions
        if max_length is not None:
            check_whole_number("max_length", max_length, least=3)
            self.max_length = min(int(max_length), positions)
        self.normalize = normalize
        self.prompt = prompt
        self.include_prompt = include_prompt
        self.dense = tuple(dense)
        self._pipeline = Pipeline(
            encoder, tokenizer, self.max_length, self.include_prompt, self.dense
        )
        request = self._request()
        self.size = self._pipeline.shape(request)[-1]
        self._pipeline.prompt_tokens(prompt)

    @classmethod
    def from_pretrained(cls, source, dtype=None, **settings) -> "TextEmbedder":
        """Reads a published model, with the pooling, length and scaling that it is meant for.

        What a sentence-transformers folder says is done; any other model's tokens are averaged.

        Args:
            source: A folder in any of the formats that `kerasformer inspect` knows, a preset's name
                such as `"all-MiniLM-L6-v2"`, or a handle; see `kerasformer.resolve`.
            dtype: Keras dtype policy of the encoder, such as `"mixed_bfloat16"`, which computes in
                half precision, or `"bfloat16"`, which holds the weights in it too. Of 1,200 news
                and paragraphs, all-MiniLM-L6-v2's cosines to float32 were 0.9999 and more in both.
                A processor that multiplies bfloat16 more slowly than float32 computes larger work
                in float32, on a copy of the weights.
            **settings: Arguments of the class, which win over what the source says.

        Returns:
            The `TextEmbedder`.

        Raises:
            UserError: There is no such source, its files are not a BERT encoder's, or it has a
                module that cannot be read.
        """
        path = resolve(source)
        modules = read_modules(path)
        checkpoint = open_checkpoint(path)
        said = {
            "pooling": modules.pooling,
            "max_length": modules.max_length,
            "normalize": modules.normalize,
            "prompt": modules.prompt,
            "include_prompt": modules.include_prompt,
            "dense": [_dense_layer(module) for module in modules.dense],
        }
        return cls(
            checkpoint.load_encoder(BertEncoder, dtype=dtype),
            checkpoint.read_tokenizer(),
            **{**said, **settings},
        )

    def encode(
        self,
        texts,
        pairs=None,
        *,
        output="sentence",
        layers=None,
        combine=None,
        pooling=None,
        special_tokens=None,
        normalize=None,
        prompt=None,
        word_pooling="mean",
        dtype="float32",
        dimensions=None,
        long="truncate",
        overlap=None,
        batch_size=None,
        verbose="auto",
    ):
        """The vectors of texts.

        Args:
            texts: The texts: a list, a tuple, an array or another iterable of str; for
                `output="word"` also of lists of words. One str gives one result.
            pairs: The second text of each pair, which gets segment 1; as many as the texts.
            output: `"sentence"`, one vector for a text; `"token"`; `"word"`, where the vectors of
                a word's tokens are pooled and special tokens are left out; or `"hidden_states"`,
                as `"token"` with all layers, the embeddings first.
            layers: As in the class; by default the embedder's.
            combine: As in the class; by default the embedder's.
            pooling: As in the class; by default the embedder's.
            special_tokens: As in the class; by default the embedder's.
            normalize: Whether to scale every vector to length 1; by default sentences as the
                embedder does, and others not.
            prompt: What is put before every text; by default the embedder's.
            word_pooling: How the vectors of a word's tokens are pooled: `"mean"`, `"sum"`,
                `"first"` or `"max"`.
            dtype: `"float32"`; `"float16"`; `"int8"`, each vector scaled so that its largest
                absolute value is 127; or `"binary"`, the signs packed to uint8.
            dimensions: How many of the first dimensions to keep, which some models are trained
                for; the cut comes before the scaling.
            long: What is done with longer texts than `max_length`: `"truncate"`, or `"window"`,
                which takes them in overlapping windows. A token's vector is then that of the window
                in which it has most context, and a sentence's is pooled of all of them; `"cls"` and
                `"pooled"` are averaged over the windows.
            overlap: The tokens that two windows share; by default a quarter of a window.
            batch_size: Texts in a batch; by default as many as make about 2,048 tokens.
            verbose: Whether to show a progress bar; by default for many texts on a terminal. Or a
                function that is called with the number of texts done since its last call.

        Returns:
            For sentences an array `[n, size]` in the order of the texts, `[n, layers, hidden]` with
            `combine="stack"`; else a list of `TokenVectors` or of `WordVectors`.

        Raises:
            UserError: Something is not a str; or an argument is unknown, or does not fit the
                others or the encoder.

        Warns:
            TruncationWarning: Texts were cut.
        """
        request = self._request(
            output=output,
            layers=layers,
            combine=combine,
            pooling=pooling,
            special_tokens=special_tokens,
            normalize=normalize,
            prompt=prompt,
            word_pooling=word_pooling,
            dtype=dtype,
            dimensions=dimensions,
            long=long,
            overlap=overlap,
            batch_size=batch_size,
        )
        single = isinstance(texts, str)
        if single:
            texts, pairs = [texts], pairs if pairs is None else [pairs]
        items = list(checked(texts, pairs, output == "word"))
        parts = self._run(items, request, len(items), verbose)
        if output == "sentence":
            results, done = self._pipeline.empty(request, len(items)), 0
            for part in parts:
                results[done : done + len(part)] = part
                done += len(part)
        else:
            results = [result for part in parts for result in part]
        return results[0] if single else results

    def stream(self, texts, pairs=None, *, verbose=False, **settings):
        """The vectors of texts, one after another, in memory that does not grow with their number.

        The texts are read in pools of 10,000, or fewer long ones, and sorted by length in each.

        Args:
            texts: As in `encode`; the iterable may be endless.
            pairs: As in `encode`.
            verbose: As in `encode`, by default no.
            **settings: The other arguments of `encode`.

        Returns:
            A generator of what `encode` gives for each text, in order.

        Raises:
            UserError: As `encode`; of a text, when it is reached.

        Warns:
            TruncationWarning: Texts were cut; once, at the end.

        Example:

        >>> from kerasformer.models import BertEncoder, EncoderConfig
        >>> from kerasformer.text import WordPieceTokenizer
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "film"]
        >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
        >>> embedder = TextEmbedder(encoder, WordPieceTokenizer.from_vocabulary(words))
        >>> lines = (line.strip() for line in ["A fine film.\\n", "Fine!\\n"])
        >>> [vector.shape for vector in embedder.stream(lines)]
        [(128,), (128,)]
        """
        request = self._request(**settings)
        items = checked(texts, pairs, request.output == "word")
        parts = self._run(items, request, None, verbose)
        return (result for part in parts for result in part)

    def _request(
        self,
        output="sentence",
        layers=None,
        combine=None,
        pooling=None,
        special_tokens=None,
        normalize=None,
        prompt=None,
        **others,
    ):
        """The `Request` of a call, checked; None is the embedder's own setting."""
        if output == "hidden_states":
            layers, combine = "all", "stack"
        if layers is None and combine is None:
            mix = self._layer_pooling
        else:
            layers = self.layers if layers is None else layers
            mix = layer_pooling(layers, combine or default_combine(layers, self.combine))
        request = Request(
            output=output,
            layers=mix,
            pooling=self.pooling if pooling is None else pooling_modes(pooling),
            special_tokens=self.special_tokens if special_tokens is None else special_tokens,
            normalize=(self.normalize and output == "sentence") if normalize is None else normalize,
            prompt=self.prompt if prompt is None else prompt,
            **others,
        )
        request.check_fits(self.encoder)
        self._pipeline.shape(request)
        return request

    def _run(self, items, request, total, verbose):
        """The results of the items, pool by pool."""
        most = _POOL_CHARACTERS
        if request.output != "sentence":
            most = min(most, _POOL_BYTES // self._pipeline.token_bytes(request))
        texts = tokens = 0
        try:
            with progress(total, verbose) as advance:
                for pool in pools(items, _POOL_TEXTS, most):
                    results, cut = self._pipeline.run(pool, request, advance)
                    texts, tokens = texts + int((cut > 0).sum()), tokens + int(cut.sum())
                    yield results
        finally:
            if texts:
                cut = TruncationWarning(texts, tokens, self.max_length, request.long == "window")
                warnings.warn(cut, stacklevel=3)


def _dense_layer(module):
    """A built Keras layer with the weights of a `DenseModule`."""
    layer = keras.layers.Dense(
        module.outputs, module.activation, use_bias=module.bias, dtype="float32"
    )
    layer.build((None, module.inputs))
    layer.set_weights(module.read_weights())
    return layer
