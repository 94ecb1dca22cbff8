"""From a pool of texts to their vectors: tokens, windows, batches, the model, and back."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from kerasformer.data.shapes import are_few
from kerasformer.embedder.batching import packed_batches, planned_batches
from kerasformer.embedder.documents import Document, TextOrWords, documents, pools, token_ids
from kerasformer.embedder.graph import CompiledModel, FeatureExtractor
from kerasformer.embedder.options import EncodeOptions
from kerasformer.embedder.progress import Progress, shown
from kerasformer.embedder.results import (
    TokenVectors,
    TruncationWarning,
    WordVectors,
    quantize,
    token_vectors,
    word_vectors,
)
from kerasformer.embedder.windows import merge_windows, pooling_mask
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.models.inference import batches_at_once, in_order, one_ahead
from kerasformer.models.process import check_process
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.windows import Windowing, Windows

_KEPT_MODELS = 8
_POOL_TEXTS = 10_000
_POOL_CHARACTERS = 5_000_000
# Of outputs with vectors for each token, as there may be a token for each character.
_POOL_BYTES = 2**30


@dataclasses.dataclass
class Pipeline:
    """Computes the vectors that `EncodeOptions` ask for; the arguments are `TextEmbedder`'s."""

    encoder: BertEncoder
    tokenizer: WordPieceTokenizer
    max_length: int
    include_prompt: bool
    dense: Sequence[keras.layers.Dense]
    _models: dict[Any, CompiledModel] = dataclasses.field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy and a pickle have: all but the graphs, which hold the original's weights."""
        return vars(self) | {"_models": {}}

    def prompt_tokens(self, prompt: str) -> int:
        """How many tokens the prompt has; an error where it leaves none of a text to pool."""
        count = len(next(self.tokenizer.ids([prompt]))) if prompt else 0
        if prompt and not self.include_prompt and count + 1 >= self.max_length:
            raise UserError(
                f"max_length is {self.max_length}, and the prompt has {count + 1} tokens already: "
                "give a larger one, or a shorter prompt."
            )
        return count

    def shape(self, options: EncodeOptions) -> tuple[int, ...]:
        """The shape of the vectors of one text, or of one token, checked against the options."""
        config = self.encoder.config
        states = [(1, 1, config.hidden_size)] * (config.num_layers + 1)
        shape: tuple[Any, ...] = options.layers.compute_output_shape(states)[2:]
        if options.output == "sentence":
            shape = (*shape[:-1], shape[-1] * len(options.pooling))
            for layer in self.dense:
                shape = _shape_after(layer, shape)
        if options.dimensions is not None and options.dimensions > shape[-1]:
            raise UserError(
                f"dimensions is {options.dimensions}, and the vectors have {shape[-1]}: "
                "give as many or fewer."
            )
        return shape

    def empty(self, options: EncodeOptions, count: int) -> np.ndarray:
        """An array for the vectors of `count` sentences."""
        none = _quantize(np.zeros((0, *self.shape(options)), "float32"), options)
        return np.empty((count, *none.shape[1:]), none.dtype)

    def run(
        self,
        items: Iterable[tuple[TextOrWords, TextOrWords | None]],
        options: EncodeOptions,
        total: int | None,
        show_progress_bar: bool | Callable[[int], object] | None,
    ) -> Iterator[np.ndarray | list[TokenVectors | WordVectors]]:
        """The results of texts, given as checked pairs `(text, pair or None)`, pool by pool."""
        check_process()
        most = _POOL_CHARACTERS
        if options.output != "sentence":
            token_bytes = 4 * int(np.prod(self.shape(options)))
            most = min(most, _POOL_BYTES // token_bytes)
        begun = texts = tokens = 0
        # An accelerator leaves a processor free for the tokens of the next pool.
        ahead: Any = one_ahead if are_few() else map
        read = ahead(
            lambda each: (self.read_pool(each[0], options), each[1]),
            pools(items, _POOL_TEXTS, most),
        )
        try:
            with shown(total, show_progress_bar) as progress:
                for pool, has_all in read:
                    results, cut = self.run_pool(pool, options, progress, begun, has_all)
                    begun += len(cut)
                    texts, tokens = texts + int((cut > 0).sum()), tokens + int(cut.sum())
                    yield results
        finally:
            if are_few():
                read.close()
            if texts:
                is_window = options.long == "window"
                warning = TruncationWarning(texts, tokens, self.max_length, is_window)
                warnings.warn(warning, stacklevel=3)

    def read_pool(
        self, pool: Sequence[tuple[TextOrWords, TextOrWords | None]], options: EncodeOptions
    ) -> Any:
        """A pool of texts as windows of tokens, and for outputs of these as `Document`s, too."""
        windowing = Windowing(
            self.tokenizer,
            self.max_length,
            window=options.long == "window",
            overlap=options.overlap,
            prompt=self.prompt_tokens(options.prompt),
        )
        if options.output == "sentence":
            return windowing.windows(token_ids(self.tokenizer, pool, options.prompt)), []
        found = documents(self.tokenizer, pool, options.prompt)
        windows = windowing.windows(
            (each.one.ids, None if each.two is None else each.two.ids) for each in found
        )
        return windows, found

    def run_pool(
        self,
        pool: Any,
        options: EncodeOptions,
        progress: Progress,
        begun: int = 0,
        has_all: bool = True,
    ) -> tuple[np.ndarray | list[TokenVectors | WordVectors], np.ndarray]:
        """The results of a pool of texts, and the number of tokens cut off each, int `[texts]`.

        Args:
            pool: What `read_pool` gave.
            options: What is asked for.
            progress: What is told of the texts that are done.
            begun: The number of texts in earlier pools.
            has_all: Whether there is no other pool.
        """
        windows, found = pool
        if options.output == "sentence":
            vectors = self._sentences(windows, options, progress, has_all)
            return self._finish(vectors, options, begun), windows.cut
        results = self._tokens(found, windows, options, progress, has_all)
        return [
            dataclasses.replace(each, vectors=self._finish(each.vectors[None], options, row)[0])
            for row, each in enumerate(results, begun)
        ], windows.cut

    def _sentences(self, windows: Windows, options, progress, has_all: bool) -> np.ndarray:
        """The vectors of texts, `[texts, ...]`."""
        left_out = 0
        if options.prompt and not self.include_prompt:
            left_out = 1 + self.prompt_tokens(options.prompt)
        cls_position = left_out if "cls" in options.pooling else 0
        model = self._model(options.layers, options.pooling, cls_position)
        vectors, counts = None, np.zeros(len(windows.texts), np.int64)

        def with_mask(batches):
            for rows, inputs in batches:
                width = inputs["input_mask"].shape[1]
                mask = pooling_mask(windows, rows, width, options.special_tokens, left_out)
                counts[rows] = mask.sum(axis=1)
                yield rows, {**inputs, "pooling_mask": mask.astype(np.int32)}

        for rows, part in self._computed(model, windows, options, progress, has_all, with_mask):
            if vectors is None:
                vectors = np.zeros((len(windows.texts), part.shape[1]), "float32")
            vectors[rows] = part
            progress.advance(_texts_begun(windows, rows))
        if vectors is None:
            return np.zeros((0, *self.shape(options)), "float32")
        vectors = merge_windows(vectors, counts, windows.texts, options.pooling)
        return self._last_layers(vectors, options)

    def _finish(self, vectors: np.ndarray, options: EncodeOptions, row: int) -> np.ndarray:
        """Vectors `[texts, ...]` as the options ask for; `row` is the number of the first text."""
        self._check_finite(vectors, row, f"the policy {self.encoder.dtype_policy.name}")
        with np.errstate(over="ignore"):  # said in the next lines
            vectors = _quantize(vectors, options)
        if options.dtype == "float16":
            self._check_finite(vectors, row, "dtype='float16'")
        return vectors

    @staticmethod
    def _check_finite(vectors, row, cause):
        """Raises a UserError that names the first text whose vector is not finite."""
        if not np.isfinite(vectors).all():
            wrong = ~np.isfinite(vectors.reshape(len(vectors), -1)).all(axis=1)
            raise UserError(
                f"texts[{row + int(np.argmax(wrong))}] has a vector with NaN or infinite values, "
                f"which {cause} or the weights of the model cause: use float32, or another model."
            )

    def _last_layers(self, vectors, options):
        """Stacked layers get their axis; other vectors go through the dense layers."""
        if options.layers.combine == "stack":
            layers, size = self.shape(options)
            poolings = len(options.pooling)
            vectors = vectors.reshape(len(vectors), poolings, layers, size // poolings)
            vectors = vectors.transpose(0, 2, 1, 3).reshape(len(vectors), layers, size)
        for layer in self.dense:
            vectors = keras.ops.convert_to_numpy(layer(vectors))
        return vectors

    def _tokens(
        self, found: Sequence[Document], windows: Windows, options, progress, has_all: bool
    ) -> list[TokenVectors | WordVectors]:
        """The vectors of texts' tokens or words."""
        model = self._model(options.layers)
        pieces: list[Any] = [None] * len(windows.texts)
        shape = self.shape(options)
        for rows, vectors in self._computed(model, windows, options, progress, has_all):
            for row, vector in zip(rows.tolist(), vectors, strict=True):
                own = vector[windows.start[row] : windows.stop[row]]
                pieces[row] = own.reshape(len(own), *shape).copy()
            progress.advance(_texts_begun(windows, rows))
        results, start = [], 0
        ends = np.searchsorted(windows.texts, np.arange(len(found)), side="right")
        for document, keep, end in zip(found, windows.kept, ends.tolist(), strict=True):
            own = pieces[start] if end == start + 1 else np.concatenate(pieces[start:end])
            pieces[start:end] = [None] * (end - start)
            results.append(self._result(document, keep, own, options))
            start = end
        return results

    def _result(self, document, keep, vectors, options):
        if options.output == "word":
            return word_vectors(document, keep, vectors, options)
        return token_vectors(document, keep, vectors, options, self.tokenizer, self.include_prompt)

    def _computed(
        self, model: CompiledModel, windows: Windows, options, progress, has_all, completed=iter
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The rows and outputs of each batch of windows, whose inputs a function completes."""
        tokenized = windows.tokenized
        run = model.for_tokens(int(tokenized.lengths.sum()))
        planned = planned_batches(tokenized.lengths, self.encoder, options.batch_size, has_all)
        model.compile_ahead(((len(rows), width) for rows, width in planned), progress.compiling)
        return in_order(run, completed(packed_batches(tokenized, planned)), batches_at_once())

    def _model(self, layers, poolings=(), cls_position=0) -> CompiledModel:
        """The model of some settings."""
        # A scalar mix is known by its weights, others by their settings.
        mix = layers if layers.combine == "scalar_mix" else (layers.chosen, layers.combine)
        key = (mix, poolings, cls_position)
        model = self._models.get(key)
        if model is None:
            model = CompiledModel(FeatureExtractor(self.encoder, layers, poolings, cls_position))
            self._models[key] = model
            if len(self._models) > _KEPT_MODELS:
                del self._models[next(iter(self._models))]
        return model


def _shape_after(layer: keras.layers.Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a vector behind a layer; a UserError where the layer takes another one."""
    if layer.weights:
        size = (layer.get_build_config() or {"input_shape": (None,)})["input_shape"][-1]
        if shape != (size,):
            raise UserError(
                f"This model's dense layer takes vectors of {size}, not of "
                f"{' x '.join(map(str, shape))}: leave layers, combine and pooling to the model, "
                "or give dense=[]."
            )
    return tuple(layer.compute_output_shape((None, *shape))[1:])


def _quantize(vectors, options):
    return quantize(vectors, options.dimensions, options.normalize, options.dtype)


def _texts_begun(windows, rows):
    """How many texts have their first window in a batch."""
    return int((windows.start[np.unique(rows)] == 0).sum())
