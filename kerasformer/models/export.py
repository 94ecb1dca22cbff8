"""`export` of the models: for serving, with strings where the tokenizer is known."""

import keras

from kerasformer.text import WordPieceTokenizer


class ServingExport(keras.Model):
    """A Keras model on token ids whose `export` knows its inputs, and of a tokenizer."""

    def export(self, filepath, format="tf_saved_model", tokenizer=None, max_length=None, **kwargs):
        """Writes the model for serving, without Keras and without its training.

        - `"tf_saved_model"`: a SavedModel with the signatures `ids`, which is the default one, and
          `strings`, if there is a WordPiece tokenizer; see
          `checkpoints.export.serving.export_serving`.
        - `"onnx"`: a file for ONNX Runtime, ids in; see `checkpoints.export.serving.export_onnx`.

        Other formats, and an `input_signature` of one's own, are Keras' `Model.export`.

        Args:
            filepath: The folder, or the file.
            format: As above, or as Keras has it.
            tokenizer: The model's `WordPieceTokenizer`; by default the one that it has itself.
            max_length: The most tokens of a text; by default as many as the model takes.
            **kwargs: Further arguments of Keras' `Model.export`.

        Raises:
            UserError: The file cannot be written, an extra is missing, or the tokenizer is not
                the model's or none that a graph can hold.
        """
        if format not in ("tf_saved_model", "onnx") or "input_signature" in kwargs:
            super().export(filepath, format=format, **kwargs)
            return
        from kerasformer.checkpoints.export.serving import export_onnx, export_serving

        if format == "onnx":
            export_onnx(self, filepath)
            return
        own = getattr(self, "tokenizer", None)
        if tokenizer is None and isinstance(own, WordPieceTokenizer):
            tokenizer = own
        export_serving(self, filepath, tokenizer, max_length=max_length)
