"""All private names of Keras and TensorFlow that the package uses, each with its reason.

A new release may rename any of them: tests/test_private_api.py has a test for each.
"""

import io
import threading
from collections.abc import Callable
from typing import Any

# Modules of Keras that import scikit-learn and matplotlib, for features that few programs use. The
# last is what `keras.visualization` exports.
OPTIONAL_KERAS_MODULES = ("keras.wrappers", "keras.visualization", "keras.src.visualization")


def in_safe_mode() -> bool | None:
    """Whether Keras is loading a file with `safe_mode`; None where it loads none.

    `keras.layers.Lambda` asks the same before it runs code from a file; it is not exported.
    """
    from keras.src.saving.serialization_lib import in_safe_mode

    return in_safe_mode()


def before_first_look_up(load: Callable[[], None]) -> None:
    """Runs `load` once, before Keras first looks a custom class up by its name.

    Keras has no public way to register a class that is not imported yet.
    """
    from keras.src.saving import object_registration

    class Registry(dict):
        is_whole, lock = False, threading.RLock()

    def completed(name):
        read = getattr(dict, name)

        def method(self, *args):
            with self.lock:
                if not self.is_whole:
                    self.is_whole = True  # what `load` itself looks up finds what is there so far
                    load()
            return read(self, *args)

        return method

    reading = ("__contains__", "__getitem__", "__iter__", "copy", "get", "items", "keys", "values")
    for name in reading:
        setattr(Registry, name, completed(name))
    object_registration.GLOBAL_CUSTOM_OBJECTS = Registry(object_registration.GLOBAL_CUSTOM_OBJECTS)


def all_layers(layer) -> list:
    """A layer and all layers within it.

    Keras has public names for those of a model, and there for the outermost ones alone.
    """
    return list(layer._flatten_layers())


def get_mask(tensor) -> Any:
    """The implicit mask of a tensor, or None: an operation between two layers loses it."""
    from keras.src.backend import get_keras_mask

    return get_keras_mask(tensor)


def set_mask(tensor, mask) -> None:
    """Gives a tensor an implicit mask, for the layers that it goes to.

    The public `compute_mask` is not told which of its outputs a call returns, nor of the masks that
    were explicit arguments of it.
    """
    from keras.src.backend import set_keras_mask

    set_keras_mask(tensor, mask)


def output_tensors(layer) -> list[list]:
    """The symbolic outputs of each call of a layer.

    Keras' public `output` gives those of the first call alone.
    """
    return [node.output_tensors for node in layer._inbound_nodes]


def weights_as_h5(model) -> bytes:
    """The content of the file that `model.save_weights` writes.

    Keras has HDF5's library write to the disk: one that is full ends the process when it exits.
    """
    from keras.src.saving import saving_lib

    content = io.BytesIO()
    store = saving_lib.H5IOStore(content, mode="w")
    saving_lib._save_state(
        model, weights_store=store, assets_store=None, inner_path="", visited_saveables=set()
    )
    store.close()
    return content.getvalue()


def set_initializer(variable, initializer: Callable) -> None:
    """Sets the initializer of a variable that was made in a `StatelessScope` and has no value yet.

    Assigning values after the scope needs memory for both at once.
    """
    variable._initializer = initializer


def optimizer_with_hooks(base: type) -> Any:
    """A child of Keras' Adam or AdamW whose clipping and weight decay are public methods.

    Keras has no public way to replace these two steps by faster ones, to find the moments of a
    variable, and to end a group of accumulated gradients early. On TensorFlow it also sums the
    gradients of one device, by an operation whose graph TensorFlow never lets go.

    Args:
        base: `keras.optimizers.AdamW`, for example.

    Returns:
        The class, with `clip_gradients(gradients)` and `apply_weight_decay(variables)` to be
        overridden, `has_weight_decay(variable)`, `moments(variable)`, `index(variable)` of those
        that it was built with, `schedule`, None where the learning rate is a number, `batches`, the
        counter of batches rather than updates, and `accumulated`, the sums of gradients.
    """
    from keras.optimizers.schedules import LearningRateSchedule

    class Hooks(base):
        def clip_gradients(self, gradients):
            return super()._clip_gradients(gradients)

        def apply_weight_decay(self, variables):
            super()._apply_weight_decay(variables)

        def has_weight_decay(self, variable):
            return self._use_weight_decay(variable)

        def index(self, variable):
            return self._get_variable_index(variable)

        def moments(self, variable):
            index = self.index(variable)
            return self._momentums[index], self._velocities[index]

        @property
        def schedule(self):
            rate = self._learning_rate
            return rate if isinstance(rate, LearningRateSchedule) else None

        @property
        def batches(self):
            return self._iterations

        @property
        def accumulated(self):
            return self._accumulated_gradients

        def _clip_gradients(self, grads):
            return self.clip_gradients(grads)

        def _apply_weight_decay(self, variables):
            self.apply_weight_decay(variables)

        def _all_reduce_sum_gradients(self, grads_and_vars):  # called on TensorFlow alone
            import tensorflow as tf

            replica = tf.distribute.get_replica_context()
            if replica and replica.num_replicas_in_sync == 1:
                return grads_and_vars
            return super()._all_reduce_sum_gradients(grads_and_vars)

    return Hooks


def compute_output_spec(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """The shapes and dtypes of what a function returns, which is called without any values.

    Variables that it makes are there afterwards, and none has changed. Keras' public way to this,
    `keras.Operation`, turns whatever the function raises into an error of the same class, which
    not every class of errors can be made into.

    Args:
        function: The function.
        *args, **kwargs: Its arguments, of `keras.KerasTensor` in place of tensors.
    """
    from keras.src.backend import compute_output_spec

    return compute_output_spec(function, *args, **kwargs)


def remove_lora(layer) -> None:
    """Ends LoRA of a layer, whose weights are then what they were before: trainable, and alone.

    Keras merges and ends it nowhere but in `quantize`.
    """
    name = "embeddings" if hasattr(layer, "_embeddings") else "kernel"
    for matrix in (f"lora_{name}_a", f"lora_{name}_b"):
        layer._untrack_variable(getattr(layer, matrix))
        delattr(layer, matrix)
    layer.lora_enabled, layer.lora_rank = False, None
    getattr(layer, f"_{name}").trainable = True


def unknown_variables(optimizer, variables: list) -> list:
    """The variables, of those given, that a built optimizer has no state for.

    Keras says of none of them before it fails within a step of training.
    """
    if optimizer is None or not optimizer.built:
        return []
    known = {id(variable) for variable in optimizer._trainable_variables}
    return [variable for variable in variables if id(variable) not in known]


class UnevenReplicas:
    """A part of Keras models, on TensorFlow, whose first batch the devices may divide unevenly.

    Keras builds a model of `tf.distribute` from the mean of the devices' parts of that batch, and
    has no public way to tell it the shapes otherwise.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and self.distribute_strategy.num_replicas_in_sync > 1:
            import keras

            data_batch = next(next(iter(iterator))[-1])
            parts = self.distribute_strategy.experimental_local_results
            data_batch = keras.tree.map_structure(lambda one: parts(one)[0], data_batch)
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)


def has_onednn() -> bool:
    """Whether this TensorFlow has oneDNN's kernels and uses them.

    TensorFlow says it nowhere else; where the module is gone, its plain kernels are as right.
    """
    try:
        from tensorflow.python.util import _pywrap_util_port
    except ImportError:
        return False
    return _pywrap_util_port.IsMklEnabled()


def uncopied_array(tensor) -> Any:
    """An eager tensor as a writable numpy array in the same memory, where it can be had.

    `numpy()` copies, and TensorFlow takes over no read-only array without copying.
    """
    return getattr(tensor, "_numpy", tensor.numpy)()
