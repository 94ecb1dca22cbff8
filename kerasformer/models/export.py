"""`export` and `save` of the models: for serving, with strings where the tokenizer is known."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import keras

from kerasformer.errors import UserError
from kerasformer.models.model import Model
from kerasformer.text import WordPieceTokenizer

if TYPE_CHECKING:
    from kerasformer.checkpoints.export.int8_cost import Int8Cost


class ServingExport(Model):
    """A Keras model on token ids whose `export` knows its inputs, and of a tokenizer."""

    def save(self, filepath: str | os.PathLike, *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.save`, in Keras' own format.

        Args:
            filepath: The file, `*.keras`.
            *args: As Keras takes them.
            **kwargs: Likewise.

        Raises:
            UserError: `filepath` asks for HDF5, which Keras keeps for models of its own classes.
        """
        if os.fspath(filepath).endswith((".h5", ".hdf5")):
            raise UserError(
                f"{filepath} would be in Keras' old HDF5 format, from which a "
                f"{type(self).__name__} does not load: save it as .keras, or its weights alone "
                "with save_weights as .weights.h5."
            )
        self.get_config()  # what refuses to be saved does so before Keras opens the file
        super().save(filepath, *args, **kwargs)

    def export(
        self,
        filepath: str | os.PathLike,
        format: str = "tf_saved_model",
        tokenizer: WordPieceTokenizer | None = None,
        max_length: int | None = None,
        int8: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> "Int8Cost | None":
        """Exports the model for serving, without Keras and without its training.

        - `"tf_saved_model"`: a SavedModel with the signatures `ids`, which is the default one, and
          `strings`, if there is a WordPiece tokenizer; see
          `checkpoints.export.serving.export_serving`.
        - `"onnx"`: a file for ONNX Runtime, ids in; see `checkpoints.export.onnx_file`. With `int8`
          it multiplies in int8, calibrated on these texts, which on processors that have
          instructions for it (VNNI, AMX) is about twice as fast. On x86 without them sums overflow:
          set ONNX Runtime's session option `session.x64quantprecision` to `"1"` there.

        A server that forks, such as gunicorn with `--preload`, loads it in each worker: the threads
        of TensorFlow do not survive a fork.

        `keras.layers.TFSMLayer` takes the dict of ids, mask and types; or, with an
        `input_signature` of one's own, what that says. Other formats are Keras' `Model.export`.

        Args:
            filepath: Output folder, or the file for ONNX.
            format: As above, or a format of Keras.
            tokenizer: The model's tokenizer; by default the one that the model has.
            max_length: The most tokens of a text; by default as many as the model takes.
            int8: For ONNX: 16 texts or more, better some hundreds, such as the model is to read.
            **kwargs: Further arguments of Keras' `Model.export`.

        Returns:
            With `int8`, what it costs: how near the vectors of every fourth text, which is not
            calibrated on, are to those of float32.

        Raises:
            UserError: The file cannot be written, an extra is missing, or the tokenizer is
                another model's or cannot be built into a graph; `int8` has too few texts, or
                the format is not ONNX.

        Example:

        >>> from kerasformer.models import BertEncoder, EncoderConfig
        >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=9))
        >>> encoder.export("served", int8=["fine films"])
        Traceback (most recent call last):
            ...
        kerasformer.errors.UserError: int8 is for format='onnx', not for 'tf_saved_model': give \
that, or leave int8 out.
        """
        signature = kwargs.get("input_signature")
        if int8 is not None and format != "onnx":
            raise UserError(
                f"int8 is for format='onnx', not for {format!r}: give that, or leave int8 out."
            )
        if int8 is not None and signature is not None:
            raise UserError("int8 and input_signature are both given: give one of the two.")
        with_own = ["tf_saved_model"] if keras.backend.backend() == "tensorflow" else []
        if format not in (("tf_saved_model", "onnx") if signature is None else with_own):
            super().export(filepath, format=format, **kwargs)
            return None
        from kerasformer.checkpoints.export.onnx_file import export_int8, export_onnx
        from kerasformer.checkpoints.export.serving import export_serving, export_signature

        if signature is not None:
            export_signature(self, filepath, signature)
            return None
        own = getattr(self, "tokenizer", None)
        if tokenizer is None and isinstance(own, WordPieceTokenizer):
            tokenizer = own
        if int8 is not None:
            return export_int8(self, filepath, int8, tokenizer, max_length)
        if format == "onnx":
            export_onnx(self, filepath)
            return None
        export_serving(self, filepath, tokenizer, max_length=max_length)
        return None
