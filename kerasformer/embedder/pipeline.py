"""From a pool of texts to their vectors: tokens, rows, batches, the model, and back."""

import dataclasses
import functools
import math

import keras
import numpy as np

from kerasformer.data.batches import length_batches, padded_length, token_batches
from kerasformer.embedder.documents import documents, token_ids
from kerasformer.embedder.features import Features
from kerasformer.embedder.graph import compiled, multiplies_in_half
from kerasformer.embedder.precision import finish
from kerasformer.embedder.rows import Layout
from kerasformer.embedder.tokens import token_vectors, word_vectors
from kerasformer.errors import UserError
from kerasformer.models.inference import batches_at_once, in_order
from kerasformer.text import pack

# On 2 cores the fastest: few enough for the caches, many enough for whole matrix products.
_BATCH_TOKENS, _HALF_BATCH_TOKENS = 2048, 4096
_LEAST_TOKENS = 256  # fewer are not worth a batch of their own
_KEPT_MODELS = 8


class Pipeline:
    """Computes what a `Request` asks for.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: Its `WordPieceTokenizer`.
        max_length: The most tokens of a row.
        include_prompt: Whether the prompt's tokens are pooled, and given.
        dense: Built `keras.layers.Dense` layers for sentence vectors.
    """

    def __init__(self, encoder, tokenizer, max_length, include_prompt, dense):
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.include_prompt = include_prompt
        self.dense = dense
        self._models = {}

    def prompt_tokens(self, prompt) -> int:
        """How many tokens the prompt has, without special tokens.

        Raises:
            UserError: It is left out of the pooling, and there is no room for more than it.
        """
        count = len(next(self.tokenizer.ids([prompt]))) if prompt else 0
        if prompt and not self.include_prompt and count + 1 >= self.max_length:
            raise UserError(
                f"max_length is {self.max_length}, and the prompt has {count + 1} tokens already: "
                "give a larger one, or a shorter prompt."
            )
        return count

    def shape(self, request):
        """The shape of one result's vectors behind the text's or the token's axis.

        Raises:
            UserError: The dense layers do not take such vectors, or they have fewer dimensions
                than are asked for.
        """
        config = self.encoder.config
        states = [(None, None, config.hidden_size)] * (config.num_layers + 1)
        shape = request.layers.compute_output_shape(states)[2:]
        if request.output == "sentence":
            shape = (*shape[:-1], shape[-1] * len(request.pooling))
            for layer in self.dense:
                if shape != (layer.kernel.shape[0],):
                    raise UserError(
                        f"This model's dense layer takes vectors of {layer.kernel.shape[0]}, not "
                        f"of {' x '.join(map(str, shape))}: leave layers, combine and pooling to "
                        "the model, or give dense=[]."
                    )
                shape = (layer.units,)
        if request.dimensions is not None and request.dimensions > shape[-1]:
            raise UserError(
                f"dimensions is {request.dimensions}, and the vectors have {shape[-1]}: "
                "give as many or fewer."
            )
        return shape

    def token_bytes(self, request):
        """The most memory that a token's vectors take."""
        return 4 * int(np.prod(self.shape(request)))

    def empty(self, request, count):
        """An array for the vectors of `count` sentences."""
        none = self._finish(np.zeros((0, *self.shape(request)), "float32"), request)
        return np.empty((count, *none.shape[1:]), none.dtype)

    def run(self, pool, request, advance):
        """The results of a pool of texts.

        Args:
            pool: Pairs `(text, pair or None)`, checked.
            request: The `Request`.
            advance: Called with the number of texts that are done since the last call.

        Returns:
            The array of sentence vectors, or the list of other results, in order; and the number
            of tokens cut off each text, int `[texts]`.
        """
        if request.output == "sentence":
            rows = self._layout(request).rows(token_ids(self.tokenizer, pool, request.prompt))
            return self._sentences(rows, request, advance), rows.cut
        found = documents(self.tokenizer, pool, request.prompt)
        rows = self._layout(request).rows(
            (one.one.ids, None if one.two is None else one.two.ids) for one in found
        )
        return self._tokens(found, rows, request, advance), rows.cut

    def _layout(self, request):
        return Layout(
            self.tokenizer.cls_id,
            self.tokenizer.sep_id,
            self.tokenizer.pad_id,
            self.max_length,
            window=request.long == "window",
            overlap=request.overlap,
            prompt=self.prompt_tokens(request.prompt),
        )

    def _sentences(self, rows, request, advance):
        """The vectors of texts, `[texts, ...]`."""
        left_out = self._left_out(request)
        at = left_out if "cls" in request.pooling else 0
        model = self._model(
            (_key(request.layers), request.pooling, at),
            lambda: Features(self.encoder, request.layers, request.pooling, at),
            rows,
        )
        vectors, counts = None, np.zeros(len(rows.texts), np.int64)

        def batches():
            for batch, inputs in self._batches(rows, request):
                width = inputs["input_mask"].shape[1]
                mask = rows.pooling_mask(batch, width, request.special_tokens, left_out)
                counts[batch] = mask.sum(axis=1)
                yield batch, {**inputs, "pooling_mask": mask.astype(np.int32)}

        for batch, part in model(batches()):
            if vectors is None:
                vectors = np.zeros((len(rows.texts), part.shape[1]), "float32")
            vectors[batch] = part
            advance(_texts_begun(rows, batch))
        if vectors is None:
            return self.empty(request, 0)
        vectors = merge_windows(vectors, counts, rows.texts, request.pooling)
        return self._finish(self._last_layers(vectors, request), request)

    def _left_out(self, request):
        """How many tokens at a row's begin are not pooled."""
        if self.include_prompt or not request.prompt:
            return 0
        return 1 + self.prompt_tokens(request.prompt)

    def _last_layers(self, vectors, request):
        """Layers kept apart get their axis; other vectors go through the dense layers."""
        if request.layers.combine == "stack":
            layers, size = self.shape(request)
            modes = len(request.pooling)
            vectors = vectors.reshape(len(vectors), modes, layers, size // modes)
            vectors = vectors.transpose(0, 2, 1, 3).reshape(len(vectors), layers, size)
        for layer in self.dense:
            vectors = keras.ops.convert_to_numpy(layer(vectors))
        return vectors

    def _tokens(self, found, rows, request, advance):
        """The vectors of texts' tokens or words, a list."""
        model = self._model(
            (_key(request.layers),), lambda: Features(self.encoder, request.layers), rows
        )
        pieces, shape = [None] * len(rows.texts), self.shape(request)
        for batch, vectors in model(self._batches(rows, request)):
            for row, vector in zip(batch.tolist(), vectors, strict=True):
                own = vector[rows.start[row] : rows.stop[row]]
                pieces[row] = own.reshape(len(own), *shape).copy()
            advance(_texts_begun(rows, batch))
        results, ends = [], np.searchsorted(rows.texts, np.arange(len(found)), side="right")
        start = 0
        for document, keep, end in zip(found, rows.kept, ends.tolist(), strict=True):
            own = pieces[start] if end == start + 1 else np.concatenate(pieces[start:end])
            pieces[start:end] = [None] * (end - start)
            results.append(self._result(document, keep, own, request))
            start = end
        return results

    def _result(self, document, keep, vectors, request):
        if request.output == "word":
            result = word_vectors(document, keep, vectors, request.prompt, request.word_pooling)
        else:
            result = token_vectors(
                document,
                keep,
                vectors,
                self.tokenizer,
                request.prompt,
                request.special_tokens,
                self.include_prompt,
            )
        return dataclasses.replace(result, vectors=self._finish(result.vectors, request))

    def _batches(self, rows, request):
        """The batches of rows: their indices, some of which may stand there twice, and the inputs.

        A call with a single batch gets its own shape on TensorFlow: there is no other to share.
        """
        padded = padded_length(rows.tokenized.lengths, self.encoder.config.max_length)
        if request.batch_size is None:
            in_half = multiplies_in_half(self.encoder.compute_dtype)
            most = _HALF_BATCH_TOKENS if in_half else _BATCH_TOKENS
            tokens = batch_tokens(int(padded.sum()), most, batches_at_once())
            batches = token_batches(padded, tokens)
        else:
            batches = length_batches(padded, request.batch_size)
        for number, batch in enumerate(batches):
            width = int(padded[batch].max())
            if number or keras.backend.backend() != "tensorflow":
                full = request.batch_size or max(tokens // width, 1)
                batch = filled(batch, full)
            yield batch, pack(rows.tokenized, batch, pad_to=width)

    def _model(self, key, make, rows):
        """The compiled model of some settings, for some rows; only the last few are kept.

        A function from pairs of anything and a batch to pairs of the same and its output.
        """
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = compiled(make())
            if len(self._models) > _KEPT_MODELS:
                del self._models[next(iter(self._models))]
        run = model.for_tokens(int(rows.tokenized.lengths.sum()))
        return functools.partial(in_order, run, at_once=batches_at_once())

    @staticmethod
    def _finish(vectors, request):
        return finish(vectors, request.dimensions, request.normalize, request.dtype)


def _key(layers):
    """What tells one `LayerPooling` from another: its weights or, without any, its settings."""
    return layers if layers.combine == "scalar_mix" else (layers.layers, layers.combine)


def batch_tokens(total, most, at_once):
    """How many tokens a batch has: the most, or less where that leaves too few batches.

    In long work the batches of one length have the same shape each time, for which oneDNN has its
    code ready.

    Args:
        total: The tokens of all.
        most: The most tokens of a batch.
        at_once: How many batches are computed side by side.

    Example:

    >>> batch_tokens(10_000, most=2048, at_once=2), batch_tokens(3000, most=2048, at_once=2)
    (2048, 1500)
    """
    return min(most, max(math.ceil(total / at_once), _LEAST_TOKENS))


def filled(batch, full):
    """Indices that are repeated up to a power of two, or to a full batch, for there are few shapes.

    Args:
        batch: Indices, int `[n]`.
        full: How many a full batch has.

    Example:

    >>> filled(np.array([7, 8, 9]), full=6), filled(np.array([7, 8, 9, 4, 5]), full=6)
    (array([7, 8, 9, 7]), array([7, 8, 9, 4, 5, 7]))
    """
    return np.resize(batch, max(len(batch), min(full, 1 << (len(batch) - 1).bit_length())))


def _texts_begun(rows, batch):
    """How many texts have their first row in a batch."""
    return int((rows.start[np.unique(batch)] == 0).sum())


def merge_windows(vectors, counts, texts, pooling):
    """The vectors of texts from those of their windows.

    Args:
        vectors: `[windows, size]`, those of the modes of pooling side by side.
        counts: How many tokens were pooled in each window, int `[windows]`.
        texts: The text of each window, never falling, int `[windows]`.
        pooling: The modes. Of a mean the tokens count alike; `"cls"` and `"pooled"` are averaged.

    Returns:
        `[texts, size]`.

    Example:

    >>> vectors = np.array([[1.0, 1.0], [4.0, 2.0], [7.0, 7.0]])
    >>> merge_windows(vectors, np.array([2, 1, 5]), np.array([0, 0, 1]), ("mean", "max"))
    array([[2., 2.],
           [7., 7.]])
    """
    firsts = np.flatnonzero(np.diff(texts, prepend=-1))
    if len(firsts) == len(texts):
        return vectors
    merged = []
    for mode, part in zip(pooling, np.split(vectors, len(pooling), axis=1), strict=True):
        if mode == "max":
            merged.append(np.maximum.reduceat(part, firsts))
            continue
        tokens = (counts if mode in ("mean", "mean_sqrt_len") else np.ones_like(counts))[:, None]
        power = 0.5 if mode == "mean_sqrt_len" else 1.0
        weights = (tokens**power).astype(part.dtype)
        total = (np.add.reduceat(tokens, firsts) ** power).astype(part.dtype)
        merged.append(np.add.reduceat(part * weights, firsts) / total)
    return np.concatenate(merged, axis=1)
