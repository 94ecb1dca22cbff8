"""A model's outputs for batches, which an accelerator computes while the caller goes on."""

import weakref
from collections.abc import Iterable
from typing import Any

import keras

from kerasformer.models.ahead import Show, compile_all
from kerasformer.models.data_parallel import data_parallel
from kerasformer.models.distribution import replicas
from kerasformer.models.structure import Structure
from kerasformer.private_api import all_layers


def begin(model: keras.Model, inputs: Any) -> Any:
    """What `predict_on_batch` of a model gives, not waited for.

    JAX, and TensorFlow on a GPU, return at once; who reads a value waits for it.

    Args:
        model: The model.
        inputs: A batch of its inputs.

    Returns:
        The outputs, as tensors of the backend: `fetched` makes arrays of them.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.ReLU()])
    >>> fetched(begin(model, keras.ops.array([[-1.0, 1.0]]))).tolist()
    [[0.0, 1.0]]
    """
    check = getattr(model, "check_batch", None)
    if check:
        check(inputs)
    if (program := _program(model)) is not None:
        return program(inputs)
    if keras.backend.backend() == "tensorflow" and replicas(model) == 1:
        model.make_predict_function()
        return model.predict_function([(inputs,)])
    outputs = keras.Model.predict_on_batch(model, inputs)
    if replicas(model) == 1:
        return outputs
    rows = len(keras.tree.flatten(inputs)[0])  # each replica has computed all of them
    return keras.tree.map_structure(lambda each: each[:rows], outputs)


def fetched(outputs: Any) -> Any:
    """Outputs as arrays, for which this waits; whatever is no tensor stays as it is."""
    return keras.tree.map_structure(
        lambda one: keras.ops.convert_to_numpy(one) if keras.ops.is_tensor(one) else one, outputs
    )


def compile_ahead(model: keras.Model, batches: Iterable[Any], show: Show | None = None) -> None:
    """Has `begin` compiled for all shapes of a work, side by side, where JAX compiles.

    Args:
        model: The model.
        batches: A batch of inputs of each shape, or what describes its arrays.
        show: As of `compile_all`.

    >>> compile_ahead(keras.Sequential([keras.Input((2,)), keras.layers.ReLU()]), [])
    """
    if data_parallel() is None and (program := _program(model)) is not None:
        program.compile(batches, show)


def _program(model: keras.Model) -> "_Program | None":
    """The program of a model on JAX; None where it has none, or is still to be built."""
    is_jit = keras.backend.backend() == "jax" and model.jit_compile and not model.run_eagerly
    if not is_jit or not all(layer.built for layer in all_layers(model)):
        return None
    now, program = Structure(model), getattr(model, "_program", None)
    if program is None or program.structure != now:
        program = model._program = _Program(model, now)
    return program


class _Program:
    """What JAX makes of a model's step of inference.

    Keras' own gives the weights' buffers away to each step and takes them back after it, so that
    another thread, whose model may share the encoder, would meanwhile find them deleted.
    """

    def __init__(self, model: keras.Model, structure: Structure):
        import jax

        self.structure = structure
        self._model = model = weakref.proxy(model)
        self._ready: set[Any] = set()

        def predict_step(state, inputs):
            return model.predict_step(state, (inputs,))[0]

        self._jitted = jax.jit(predict_step)

    def __call__(self, inputs: Any) -> Any:
        state = keras.tree.map_structure(lambda variable: variable.value, self._variables)
        return self._jitted(state, inputs)

    @property
    def _variables(self) -> tuple[list, list]:
        return self._model.trainable_variables, self._model.non_trainable_variables

    def compile(self, batches: Iterable[Any], show: Show | None) -> None:
        shapes = {_shapes(inputs): inputs for inputs in batches}
        new = [inputs for shape, inputs in shapes.items() if shape not in self._ready]
        compile_all([(self._jitted, (self._variables, inputs)) for inputs in new], show)
        self._ready |= shapes.keys()


def _shapes(inputs: Any) -> tuple:
    return tuple(tuple(array.shape) for array in keras.tree.flatten(inputs))
