"""Batches of texts of similar length, so that hardly any work is spent on padding."""

import numbers
import threading
import weakref

import keras
import numpy as np

from kerasformer.data.shapes import filled, full_rows, padded_length, row_weights, rows_within
from kerasformer.text import pack

# Shuffled texts are sorted within pools of this many batches: long enough that a batch holds texts
# of nearly one length, short enough that the order stays random.
_POOL = 50


def length_batches(lengths, batch_size, rng=None):
    """Groups indices into batches of similar length.

    Without a generator the order is by length, longest first: for inference, where a batch too
    large for the memory then shows itself at once. With one, each pool of 50 batches of the
    shuffled indices is sorted by length and cut, and the batches are shuffled, as transformers'
    `group_by_length` does.

    >>> [batch.tolist() for batch in length_batches([3, 9, 4, 8], batch_size=2)]
    [[1, 3], [2, 0]]
    """
    lengths = np.asarray(lengths)
    if rng is None:
        order = np.argsort(-lengths, kind="stable")
        return _cut(order, batch_size)
    order = rng.permutation(len(lengths))
    batches = []
    for pool in _cut(order, _POOL * batch_size):
        batches += _cut(pool[np.argsort(-lengths[pool], kind="stable")], batch_size)
    rng.shuffle(batches)
    return batches


def token_batches(lengths, tokens, count=None):
    """Groups indices into batches of similar length, each of at most `tokens` tokens with padding.

    The longest texts come first; one that is longer than that is a batch of its own. `count` is as
    of `rows_within`, by default of these alone.

    >>> [batch.tolist() for batch in token_batches([3, 9, 4, 8, 2], tokens=18)]
    [[1, 3], [2, 0, 4]]
    """
    lengths = np.asarray(lengths)
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = rows_within(tokens, int(lengths[order[start]]), count or len(order))
        batches.append(order[start : start + size])
        start += size
    return batches


def _cut(indices, size):
    return [indices[start : start + size] for start in range(0, len(indices), size)]


class Batches(keras.utils.PyDataset):
    """The batches of one pass over examples, in an order of their own.

    A child gives `inputs(rows)`, and `lengths`, by which batches are formed; and `columns(rows)`
    where labels are more than those of the rows.

    Args:
        lengths: Number of tokens of each example, int `[n]`.
        labels: Class indices `[n]` or probabilities `[n, classes]`; or None.
        sample_weight: float `[n]`, or None.
        batch_size: Examples in a batch.
        seed: For a new random order in each epoch; None for the order by length.
        in_order: Whether the examples keep their own order instead.
        steps: Batches in an epoch, which goes on where the one before ended; by default those of a
            whole pass.
        max_length: The most tokens that the model takes; by default those of the longest example.
        tokens: How many tokens a batch has in inference, padding included, if that says how many
            examples it has, and not `batch_size`.

    Attributes:
        batches: The index arrays of the current pass, in order.
        width_varies: Whether the second axis of outputs, labels and weights is that of the tokens,
            of another size in each batch.
        are_classes: Whether labels are of classes, the same for all examples.
        fills: Whether a batch that is not full is filled up with rows that are to weigh nothing, so
            that all have the same number; its weights are then those of `shapes.row_weights`.
    """

    width_varies, are_classes, fills = False, True, False

    def __init__(
        self,
        lengths,
        labels=None,
        sample_weight=None,
        batch_size=32,
        seed=None,
        *,
        in_order=False,
        steps=None,
        max_length=None,
        tokens=None,
    ):
        super().__init__()
        for name, count in (("batch_size", batch_size), ("steps", steps)):
            if count is not None and (not isinstance(count, numbers.Integral) or count < 1):
                raise ValueError(f"{name}={count!r} is not a positive integer.")
        self.lengths = np.asarray(lengths)
        labels = None if labels is None else np.asarray(labels)
        is_ids = labels is not None and labels.dtype.kind in "iu"
        self.labels = labels.astype("int32") if is_ids else labels
        self.sample_weight = sample_weight
        self.batch_size = batch_size
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.in_order = in_order
        self.steps = steps
        self.max_length = max_length or int(self.lengths.max(initial=1))
        self.batch_tokens = tokens
        self._passes: list[list[np.ndarray]] = []
        self._turning = threading.RLock()  # who trains and who reads ahead both begin epochs
        self.start_epoch(0)

    def start_epoch(self, epoch, step=0):
        """Sets `batches` to those of an epoch, counted from 0; the same for the same seed.

        Args:
            epoch: The epoch.
            step: How many of its batches, the first ones, are left out.
        """
        with self._turning:
            self.epoch, self.batches = epoch, self._batches_of(epoch, step)

    def _batches_of(self, epoch, step):
        """The batches of an epoch from a step on, in a list that is no other epoch's."""
        if self.steps is None:
            return self._pass(epoch)[step:]
        count, start = len(self._pass(0)), epoch * self.steps
        steps = range(start + step, start + self.steps)
        return [self._pass(step // count)[step % count] for step in steps]

    def _pass(self, number):
        """The batches of a whole pass over the examples."""
        if self.rng is None:
            number = 0  # all are alike
        while len(self._passes) <= number:
            if self.in_order:
                batches = _cut(np.arange(len(self.lengths)), self.batch_size)
            elif self.batch_tokens:
                padded = padded_length(self.lengths, self.max_length)
                batches = token_batches(padded, self.batch_tokens)
            else:
                batches = length_batches(self.lengths, self.batch_size, self.rng)
            self._passes.append(batches)
        return self._passes[number]

    def width(self, rows):
        """The length that some examples are padded to."""
        return int(padded_length(self.lengths[rows].max(), self.max_length))

    @property
    def count(self):
        """How many examples a pass has."""
        return len(self.lengths)

    def lengths_of(self, rows):
        """The number of tokens of some examples, int `[n]`."""
        return self.lengths[rows]

    def full(self, rows):
        """How many rows a full batch of inference has that some examples are in."""
        count = self.count
        if self.batch_tokens and not self.in_order:
            return rows_within(self.batch_tokens, self.width(rows), count)
        return full_rows(self.batch_size, count)

    def inputs(self, rows):
        """The model's inputs for some examples."""
        raise NotImplementedError

    def __len__(self):
        return len(self.batches)

    def columns(self, rows):
        """Inputs of some examples, with their labels and weights if there are any."""
        columns = (self.labels, self.sample_weight if self.labels is not None else None)
        return (self.inputs(rows), *(c[rows] for c in columns if c is not None))

    def __getitem__(self, index):
        rows = self.batches[index]
        if not self.fills:
            return self.columns(rows)
        order = filled(rows, min(self.batch_size, self.count))
        x, y, *weights = self.columns(order)
        return x, y, row_weights(weights[0] if weights else None, len(rows), len(order))

    def on_epoch_end(self):
        """Goes on to the next epoch, where nobody says by `start_epoch` which it is."""
        self.start_epoch(self.epoch + 1)

    def spec(self, array):
        """The `tf.TensorSpec` of a column, such as this array, of any of the batches."""
        import tensorflow as tf

        # The width of ids varies, that of features and class probabilities does not.
        rest = [None] * (array.ndim - 1) if array.dtype == "int32" else list(array.shape[1:])
        rest[:1] = [None] if self.width_varies and rest else rest[:1]
        return tf.TensorSpec([None, *rest], tf.as_dtype(array.dtype))

    def for_backend(self):
        """What to hand to `fit` or `predict`: on TensorFlow a `tf.data.Dataset`, else itself.

        Keras takes the shapes of a `PyDataset` on TensorFlow from its first two batches; where
        these happen to be equally long, a later one would not fit.
        """
        if keras.backend.backend() != "tensorflow":
            return self
        import tensorflow as tf

        this = weakref.proxy(self)  # TensorFlow keeps a generator as long as the process lives

        def one_pass():
            batches = this.batches
            for index in range(len(batches)):
                if this.batches is not batches:
                    return  # `fit` began another epoch, and left a pass that was read ahead
                yield this[index]
            with this._turning:
                if this.batches is batches:
                    this.on_epoch_end()

        signature = tf.nest.map_structure(self.spec, self[0])
        dataset = tf.data.Dataset.from_generator(one_pass, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(self)))
        # Its thread, which sleeps twice as long each time, up to a minute, is waited for at the end
        # of a pass: half of the time of a short training.
        options = tf.data.Options()
        options.autotune.enabled = False
        dataset = dataset.prefetch(2).with_options(options)
        dataset.batches = self
        return dataset


class TextBatches(Batches):
    """Batches of tokenized texts, each padded to about its longest text.

    Args:
        tokenized: What `Tokenizer.tokenize` returned.
        labels: Class indices `[n]` or probabilities `[n, classes]`; or None.
        *args, **kwargs: As of `Batches`.

    Example:

    >>> from kerasformer.text import Tokenized
    >>> batches = TextBatches(Tokenized([[5, 6, 7], [8], [9, 4]]), batch_size=2)
    >>> [inputs["input_word_ids"].shape for inputs, in batches]
    [(2, 3), (1, 1)]
    """

    def __init__(self, tokenized, labels=None, *args, **kwargs):
        self.tokenized = tokenized
        super().__init__(tokenized.lengths, labels, *args, **kwargs)

    def inputs(self, rows):
        """The dict that `kerasformer.text.pack` makes."""
        return pack(self.tokenized, rows, pad_to=self.width(rows))


class FeatureBatches(Batches):
    """Batches of vectors that a frozen encoder gave, as the input `features`.

    Args:
        features: float `[n, size]`.
        *args, **kwargs: As of `Batches`, from `labels` on.
    """

    def __init__(self, features, *args, **kwargs):
        self.features = features
        super().__init__(np.ones(len(features), "int32"), *args, **kwargs)

    def inputs(self, rows):
        """The dict of `features`, float `[batch, size]`."""
        return {"features": np.asarray(self.features[rows])}
