"""TF Hub's text preprocessors as a Keras 3 layer."""

import os
from typing import Any

import keras

from kerasformer.errors import UserError
from kerasformer.hub.layer import HubLayer, string_tensor
from kerasformer.hub.saved_model import SavedFunction, is_text, read_vocabulary
from kerasformer.layers.arguments import check_sizes


@keras.saving.register_keras_serializable(package="kerasformer")
class HubPreprocessor(HubLayer):
    """Any text preprocessor SavedModel of TF Hub as a Keras 3 layer: its graph is run as it is.

    It stands in for `hub.KerasLayer(preprocessor)`, which is a Keras 2 layer: strings in, the
    dict that an encoder takes out. Running a SavedModel's graph is running a program: use it on
    models that you trust. `kerasformer.text` tokenizes with the same vocabularies, and runs
    nothing from a download. A `.keras` file only names the SavedModel, as of `HubEncoder`.

    The interface is
    https://www.tensorflow.org/hub/common_saved_model_apis/text#text_preprocessing. Most of these
    SavedModels need `tensorflow_text`: `pip install 'kerasformer[hub]'`.

    Args:
        source: The SavedModel: its folder, or a handle such as
            `"https://tfhub.dev/tensorflow/bert_en_uncased_preprocess/3"` or `"kaggle://..."`.
        seq_length: The length that every row is padded or truncated to, as the SavedModel does it;
            by default the SavedModel's own, as with `hub.KerasLayer`.
        fingerprint: The sha256 that the content must have; by default any.
        **kwargs: Keras arguments of the layer, such as `name`.

    Call arguments:
        inputs: Texts `[batch]`: a tensor of strings, or a list or an array of str. Or a list of
            one or two of these: the first and the second segments.

    Returns:
        A dict of int32 `[batch, seq_length]`: `input_word_ids`, `input_mask` (1 is a real token)
        and `input_type_ids`.

    Raises:
        UserError: The source is no SavedModel of TensorFlow 2, is broken, is no preprocessor, or
            has no default `seq_length` and none is given; or tensorflow_text is not installed.
        ValueError: Inputs that are no texts, more than two segments, or a `seq_length` that is no
            positive integer.

    Example:

    >>> preprocessor = HubPreprocessor(
    ...     "https://tfhub.dev/tensorflow/bert_en_uncased_preprocess/3", seq_length=6
    ... )  # doctest: +SKIP
    >>> preprocessor(["this"])["input_word_ids"].numpy()  # doctest: +SKIP
    array([[ 101, 2023,  102,    0,    0,    0]], dtype=int32)
    """

    def __init__(
        self,
        source: str | os.PathLike,
        seq_length: int | None = None,
        fingerprint: str | None = None,
        **kwargs: Any,
    ):
        if seq_length is not None:
            check_sizes(seq_length=seq_length)
        super().__init__(source, fingerprint=fingerprint, **kwargs)
        self._tokenize = SavedFunction(getattr(self.saved_model, "tokenize", None), is_text)
        pack = getattr(self.saved_model, "bert_pack_inputs", None)
        self._pack = SavedFunction(pack, lambda segments: isinstance(segments, list | tuple))
        if self._tokenize.inputs is None or self._pack.inputs is None:
            raise UserError(
                f"{self.source} is no text preprocessor of TF Hub, as it has no tokenize and "
                "bert_pack_inputs: use HubEncoder if it is an encoder."
            )
        default = self._pack.defaults.get("seq_length")
        if seq_length is None and not isinstance(default, int):
            raise UserError(f"{self.source} has no default seq_length: give one.")
        self.seq_length = default if seq_length is None else seq_length
        self.built = True

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """As of any Keras layer; also takes lists and arrays of str."""
        return super().__call__(_segments(inputs), *args, **kwargs)

    def call(self, inputs: Any) -> dict[str, Any]:
        """See the class."""
        import tensorflow as tf

        tokens = [self._tokenize.function(segment) for segment in inputs]
        packed = self._pack.function(tokens, seq_length=tf.constant(self.seq_length))
        return {
            name: tf.ensure_shape(tensor, (None, self.seq_length))
            for name, tensor in packed.items()
        }

    def tokenize(self, texts: Any) -> Any:
        """The token ids of texts `[batch]`, without special tokens, neither truncated nor padded.

        Returns:
            An int32 `tf.RaggedTensor`: `[batch, (words), (pieces)]` of a WordPiece vocabulary,
            `[batch, (pieces)]` of a SentencePiece model.

        Raises:
            ValueError: `texts` are no texts.
        """
        if isinstance(texts, keras.KerasTensor):
            raise ValueError("tokenize takes texts: in a functional model, call the layer itself.")
        return self._tokenize.function(string_tensor(texts))

    @property
    def special_tokens_dict(self) -> dict[str, int]:
        """Ids by role, as the SavedModel names them: `start_of_sequence_id`, `padding_id`..."""
        get_dict = getattr(self.saved_model.tokenize, "get_special_tokens_dict", None)
        if get_dict is None:
            raise UserError(f"{self.source} does not say its special tokens.")
        return {name: int(value) for name, value in sorted(get_dict().items())}

    @property
    def vocabulary(self) -> list[str]:
        """The entries of the vocabulary, in the order of their ids."""
        vocabulary = read_vocabulary(self.folder)
        if not vocabulary:
            raise UserError(f"{self.source} carries no vocabulary as a text file.")
        return vocabulary

    def compute_output_spec(self, inputs: Any) -> dict[str, Any]:
        """The shapes and dtypes of what a call returns."""
        return {
            name: keras.KerasTensor((inputs[0].shape[0], self.seq_length), dtype=spec.dtype.name)
            for name, spec in self._pack.outputs.items()
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the SavedModel is only named."""
        return {**super().get_config(), "seq_length": self.seq_length}


def _segments(inputs):
    """The list of one or two tensors of strings that a call is about."""
    is_list = isinstance(inputs, list | tuple)
    if not is_list or not inputs or isinstance(inputs[0], str | bytes):
        return [string_tensor(inputs, "inputs")]
    if len(inputs) > 2:
        raise ValueError(f"inputs has {len(inputs)} segments: expected one or two.")
    segments = [string_tensor(segment, f"inputs[{i}]") for i, segment in enumerate(inputs)]
    sizes = {segment.shape[0] for segment in segments} - {None}
    if len(sizes) > 1:
        raise ValueError(
            f"inputs[0] has {segments[0].shape[0]} texts and inputs[1] {segments[1].shape[0]}: "
            "expected a second segment for each first one."
        )
    return segments
