"""The outputs of a model for many texts, batch by batch."""

import functools
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.data.shapes import filled
from kerasformer.errors import DivergenceError
from kerasformer.hardware import device_tokens
from kerasformer.layers.kernels import use_kernels
from kerasformer.models.ahead import compiling_shown
from kerasformer.models.config import INPUTS
from kerasformer.models.data_parallel import check_devices, is_first_process
from kerasformer.models.distribution import replicas
from kerasformer.models.forward import begin, compile_ahead, fetched
from kerasformer.models.inference import batches_at_once, in_order
from kerasformer.models.onednn import inference_kernels


def vectors_model(vectors: Callable[[dict[str, Any]], Any]) -> keras.Model:
    """A model of token ids, as an encoder takes them, that gives the vectors made of them.

    Args:
        vectors: Gives the vectors of the encoder's inputs.
    """
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
    return keras.Model(inputs, vectors(inputs))


def inference_sizes(max_length: int) -> dict[str, Any]:
    """The options of `Batches` of inference whose size nobody has said: what suits the device.

    >>> inference_sizes(512)["batch_size"]
    32
    """
    return {"batch_size": 32, "tokens": device_tokens(), "max_length": max_length}


def predict_rows(
    model: keras.Model,
    data: Batches,
    width: int,
    verbose: str | int = "auto",
    callbacks: Any = None,
    event: str = "predict",
) -> np.ndarray:
    """A model's outputs for the examples of batches.

    Args:
        model: Gives float `[batch, width]`.
        data: The batches, which need no labels.
        width: The width of the outputs.
        verbose: Whether to show a progress bar; `"auto"`: for many batches on a terminal.
        callbacks: A `keras.callbacks.CallbackList`, told of the beginning and of each batch.
        event: What these are told of: `"predict"` or `"test"`.

    Returns:
        float32 `[n, width]`, in the order of the examples.
    """
    outputs = np.zeros((len(data.lengths), width), "float32")
    predict_each(model, data, outputs.__setitem__, verbose, callbacks, event)
    return outputs


def predict_each(
    model: keras.Model,
    data: Batches,
    keep: Callable[[np.ndarray, Any], object],
    verbose: str | int = "auto",
    callbacks: Any = None,
    event: str = "predict",
) -> None:
    """Calls `keep` with the rows of each batch and the model's outputs for them.

    The other arguments are those of `predict_rows`.
    """
    check_devices(model)  # here, as Keras' distribution is not known in other threads
    is_shown = verbose != 0 and is_first_process()
    if verbose == "auto":
        verbose = len(data) >= 100 and sys.stdout.isatty()
    shown = verbose and is_first_process()
    bar = keras.utils.Progbar(len(data), unit_name="batch") if shown else None
    if callbacks:
        getattr(callbacks, f"on_{event}_begin")()
    with use_kernels(inference_kernels()):
        _make_predict_function(model, data)
        if replicas(model) > 1:
            computed = _across_replicas(model, data)
        else:
            with compiling_shown(is_shown) as show:
                compile_ahead(model, _shapes_of(data), show)
            batches = ((rows, rows) for rows in data.batches)
            run = functools.partial(_begin_batch, model, data)
            computed = _without_filling(in_order(run, batches, batches_at_once()))
        for step, (rows, part) in enumerate(computed):
            keep(rows, part)
            if callbacks:
                getattr(callbacks, f"on_{event}_batch_begin")(step)
                getattr(callbacks, f"on_{event}_batch_end")(step, {"outputs": part})
            if bar:
                bar.add(1)


def predict_batch(model: keras.Model, data: Batches, rows: np.ndarray) -> Any:
    """A model's outputs for a batch of the examples of batches.

    Not by keras.Model.predict, whose data pipeline takes longer than the model for one text.
    """
    outputs = fetched(_begin_batch(model, data, rows))
    return next(_without_filling([(rows, outputs)]))[1]


def _begin_batch(model: keras.Model, data: Batches, rows: np.ndarray) -> Any:
    # Filled: oneDNN and XLA keep code for each shape, so that memory would grow with every number.
    return begin(model, data.inputs(filled(rows, data.full(rows))))


def _without_filling(
    computed: Iterable[tuple[np.ndarray, Any]],
) -> Iterator[tuple[np.ndarray, Any]]:
    for rows, outputs in computed:
        yield rows, keras.tree.map_structure(operator.itemgetter(slice(len(rows))), outputs)


def _shapes_of(data: Batches) -> Iterator[Any]:
    """Inputs of each shape that batches of inference have."""
    rows = {(data.full(rows), int(data.lengths_of(rows).max())): rows for rows in data.batches}
    for one in rows.values():
        yield data.inputs(filled(one, data.full(one)))


def _make_predict_function(model: keras.Model, data: Batches) -> None:
    """Makes what `predict_on_batch` calls, else each thread would, and traces it for all shapes.

    On TensorFlow Keras traces it for the shapes of the first batch, and then for those of others.
    """
    before = model.predict_function
    model.make_predict_function()
    if model.predict_function is before or replicas(model) > 1 or not data.batches:
        return
    trace = getattr(model.predict_function, "get_concrete_function", None)
    if trace and not sys.modules["tensorflow"].config.functions_run_eagerly():
        columns = data.inputs(data.batches[0][:1])
        trace([(keras.tree.map_structure(data.spec, columns),)])


def _across_replicas(model: keras.Model, data: Batches) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows and outputs of each batch, which `tf.distribute` divides among its devices."""
    if data.width_varies:
        for rows in data.batches:
            yield rows, keras.Model.predict(model, data.inputs(rows), len(rows), verbose=0)
        return
    outputs = keras.Model.predict(model, data.for_backend(), verbose=0)
    ends = np.cumsum([len(rows) for rows in data.batches])
    yield from zip(data.batches, np.split(outputs, ends[:-1]), strict=True)


def check_answers(logits: np.ndarray, name: str = "texts") -> np.ndarray:
    """Logits `[n, classes]` as they are; `name` is that of what they are for.

    Raises:
        DivergenceError: One of them is no number.

    Example:

    >>> check_answers(np.array([[0.5, 1.0]])).tolist()
    [[0.5, 1.0]]
    """
    if not (are_finite := np.isfinite(logits).all(axis=-1)).all():
        raise DivergenceError(
            f"The model's answer to {name}[{int(are_finite.argmin())}] is not a number: its "
            "weights diverged in training, or its dtype is too narrow for them; train it anew, or "
            "load it in float32."
        )
    return logits


def callback_list(callbacks: Any, model: keras.Model, steps: int) -> keras.callbacks.CallbackList:
    """Keras callbacks as the list that Keras makes of them."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    return keras.callbacks.CallbackList(callbacks, model=model, epochs=1, steps=steps)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Class probabilities of logits `[n, classes]`, computed in float32.

    Example:

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype("float32")
