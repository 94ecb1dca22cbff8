"""TF Hub's text encoders as a Keras 3 layer."""

import os
from typing import Any

import keras
from keras import tree

from kerasformer.errors import UserError
from kerasformer.hub.layer import HubLayer, string_tensor
from kerasformer.hub.saved_model import SavedFunction, is_text, read_vocabulary
from kerasformer.layers.arguments import check_rank
from kerasformer.layers.embedding import check_length
from kerasformer.models.config import INPUTS, input_dict
from kerasformer.private_api import set_mask


@keras.saving.register_keras_serializable(package="kerasformer")
class HubEncoder(HubLayer):
    """Any text encoder SavedModel of TF Hub as a Keras 3 layer: its graph is run as it is.

    It stands in for `hub.KerasLayer(encoder)`, which is a Keras 2 layer. Running a SavedModel's
    graph is running a program: use it on models that you trust. `BertEncoder.from_pretrained`
    loads the weights of the same SavedModel, runs nothing of it, is faster, and returns more; this
    layer is for encoders that are no BERT, such as ALBERT, and for comparison.

    In a `.keras` file the SavedModel is named and not contained: by its source and the sha256 of
    its content. The weights, which training may have changed, are contained. A file that names a
    SavedModel that has not been used on this machine before is loaded only with `safe_mode=False`.

    The interface is
    https://www.tensorflow.org/hub/common_saved_model_apis/text#transformer-encoder.

    Args:
        source: The SavedModel: its folder, or a handle such as
            `"https://tfhub.dev/tensorflow/bert_en_uncased_L-12_H-768_A-12/4"` or `"kaggle://..."`.
        trainable: Whether training changes the weights, and has dropout.
        fingerprint: The sha256 that the content must have; by default any.
        **kwargs: Keras arguments of the layer, such as `name` or `dtype`: the graph runs in the
            types it was saved with, mostly float32, and its outputs are cast.

    Call arguments:
        inputs: A dict of int `[batch, seq]` tensors: `input_word_ids`, and where they are not the
            default `input_mask` (1 is a real token; by default where the id is not that of
            `[PAD]`) and `input_type_ids` (by default zeros). Or the ids alone. For the older text
            embeddings of TF Hub: texts, as a tensor of strings `[batch]` or a list of str.
        training: Whether dropout is on; in a layer that is not trainable it never is.

    Returns:
        A dict of what the SavedModel returns; of a BERT `sequence_output`, the last block's
        `[batch, seq, hidden_size]`; `pooled_output` and `default`, `[batch, hidden_size]`; and
        `encoder_outputs`, the list of every block's. A text embedding returns `default` alone.
        Those of tokens have the padding as their Keras mask.

    Raises:
        UserError: The source is no SavedModel of TensorFlow 2, is broken, or is no text encoder.
        ValueError: Inputs of a wrong name, type or shape, or longer than the position table.

    Example:

    >>> encoder = HubEncoder(
    ...     "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-2_H-128_A-2/2"
    ... )  # doctest: +SKIP
    >>> encoder(np.array([[101, 2023, 102]]))["pooled_output"].shape  # doctest: +SKIP
    TensorShape([1, 128])
    """

    def __init__(
        self,
        source: str | os.PathLike,
        trainable: bool = False,
        fingerprint: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(source, fingerprint=fingerprint, **kwargs)
        if hasattr(self.saved_model, "bert_pack_inputs"):
            raise UserError(f"{self.source} is a preprocessor: use HubPreprocessor for it.")
        self._encode = SavedFunction(self.saved_model, _is_understood)
        if self._encode.inputs is None:
            raise UserError(
                f"{self.source} takes {self._encode}, so it is no text encoder of TF Hub: "
                f"expected a dict with {', '.join(INPUTS)}, or strings."
            )
        vocabulary = read_vocabulary(self.folder)
        self._padding_id = vocabulary.index("[PAD]") if "[PAD]" in vocabulary else 0
        # Keras' view of the SavedModel's own variables: no number is held twice.
        self.saved_variables = [
            keras.Variable(
                variable,
                dtype=variable.dtype.name,
                trainable=variable.trainable,
                autocast=False,
                name=variable.name.removesuffix(":0").replace("/", "."),
            )
            for variable in self._encode.variables
        ]
        self.trainable = trainable  # only now, for setting it also switches the variables
        self.built = True

    @property
    def takes_text(self) -> bool:
        """Whether strings go in, as in the older text embeddings."""
        return is_text(self._encode.inputs)

    @property
    def max_length(self) -> int | None:
        """The position table's length; None where no variable is named as BERT's is."""
        for variable in self._encode.variables:
            if variable.name.endswith("position_embedding/embeddings:0"):
                return variable.shape[0]
        return None

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """As of any Keras layer; text embeddings also take lists and arrays of str."""
        inputs = (
            string_tensor(inputs, "inputs") if self.takes_text else input_dict(inputs, "HubEncoder")
        )
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """See the class."""
        import tensorflow as tf

        options = {}
        if "training" in self._encode.defaults:
            options["training"] = bool(training and self.trainable)
        outputs = _named(self._encode.function(self._arguments(inputs), **options))
        outputs = tree.map_structure(lambda tensor: tf.cast(tensor, self.compute_dtype), outputs)
        if not self.takes_text:
            mask = tf.cast(self._padding_mask(inputs), tf.bool)
            for states in (outputs.get("sequence_output"), *outputs.get("encoder_outputs", ())):
                if states is not None:
                    set_mask(states, mask)
        return outputs

    def _padding_mask(self, inputs):
        mask = inputs.get("input_mask")
        return inputs["input_word_ids"] != self._padding_id if mask is None else mask

    def _arguments(self, inputs):
        """What the SavedModel is called with: its own names or order, and its own dtypes."""
        import tensorflow as tf

        if self.takes_text:
            return inputs
        _check_shapes(inputs, self.max_length)
        ids = tf.cast(inputs["input_word_ids"], tf.int32)
        whole = {"input_mask": self._padding_mask(inputs), "input_type_ids": 0 * ids}
        whole |= inputs

        def argument(name, spec):
            return tf.cast(whole[name], spec.dtype)

        specs = self._encode.inputs
        if isinstance(specs, dict):
            return {name: argument(name, spec) for name, spec in specs.items()}
        return [argument(name, spec) for name, spec in zip(INPUTS, specs, strict=True)]

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """The shapes and dtypes of what a call returns."""
        if not self.takes_text:
            _check_shapes(inputs, self.max_length)
            inputs = inputs["input_word_ids"]

        def of_call(spec):
            # The SavedModel leaves open the batch, and after it the length.
            lead = tuple(inputs.shape)[: spec.shape.rank - 1]
            return keras.KerasTensor((*lead, *spec.shape[len(lead) :]), dtype=self.compute_dtype)

        return tree.map_structure(of_call, _named(self._encode.outputs))


def _is_understood(spec):
    if isinstance(spec, dict):
        return INPUTS[0] in spec and spec.keys() <= set(INPUTS)
    if isinstance(spec, list | tuple):  # TF Hub's first BERTs take them in this order
        return len(spec) == len(INPUTS) and all(item.dtype.is_integer for item in spec)
    return is_text(spec)


def _named(outputs):
    """The outputs, tensors or their specifications, by TF Hub's names."""
    if isinstance(outputs, list | tuple):  # TF Hub's first BERTs: the pooled one, the sequence
        outputs = dict(zip(("pooled_output", "sequence_output"), outputs, strict=True))
    elif not isinstance(outputs, dict):
        return {"default": outputs}
    if "pooled_output" in outputs:
        return {"default": outputs["pooled_output"], **outputs}
    return dict(outputs)


def _check_shapes(inputs, max_length):
    shape = inputs["input_word_ids"].shape
    for name, tensor in inputs.items():
        if keras.backend.standardize_dtype(tensor.dtype) == "string":
            raise ValueError(f"{name} holds strings: expected ids, as from a HubPreprocessor.")
        check_rank(name, tensor, "[batch, seq]")
        pairs = zip(tensor.shape, shape, strict=True)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise ValueError(
                f"{name} has the shape {tuple(tensor.shape)}: expected that of input_word_ids, "
                f"{tuple(shape)}."
            )
    if max_length is not None:
        check_length(shape[1], max_length)
