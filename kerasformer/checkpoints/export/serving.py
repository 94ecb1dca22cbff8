"""A model written for serving: a SavedModel that takes ids or strings."""

from pathlib import Path

import keras

from kerasformer.checkpoints.export.saved_model import check_can_write, saving_saved_models
from kerasformer.errors import UserError
from kerasformer.models.config import INPUTS


def export_serving(model, folder, tokenizer=None, *, max_length=None) -> Path:
    """Exports a SavedModel with a signature for ids and, with a tokenizer, one for strings.

    TensorFlow Serving and plain TensorFlow run it, without Keras and kerasformer; where it takes
    strings, `import tensorflow_text` must come first (TensorFlow Serving has it built in):

    - `ids`, which is `serving_default` too, takes `input_word_ids`, `input_mask` and
      `input_type_ids`, int32 `[batch, seq]`;
    - `serve`, which `keras.layers.TFSMLayer` calls, takes the dict of these;
    - `strings` takes `texts`, string `[batch]`, truncated to `max_length` tokens and padded to the
      longest of the batch; see `kerasformer.text.in_graph` for how near their ids are to the
      tokenizer's.

    Each is also a method of the loaded SavedModel. They return the tensors of the dict that the
    model returns, without its lists, or, of a model with one output, that one as `outputs`. Dropout
    is off.

    Args:
        model: A Keras model that takes the dict of three inputs: `BertEncoder`, `TextClassifier`.
        folder: Output folder; a SavedModel that is there is replaced.
        tokenizer: The model's `WordPieceTokenizer`, or None.
        max_length: The most tokens of a text, special tokens included; by default the model's
            `max_length` or, of an encoder, its positions.

    Returns:
        The folder.

    Raises:
        UserError: The tokenizer is another model's or cannot be built into a graph, `max_length` is
            more than the positions, tensorflow-text is missing, Keras does not run on TensorFlow,
            or the folder has something else than a SavedModel.
    """
    folder = Path(folder)
    check_can_write(folder)
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(model)
    run = archive.add_endpoint("ids", outputs_of(model), ids_signature())
    named = [dict(zip(INPUTS, ids_signature(), strict=True))]
    archive.add_endpoint("serve", lambda inputs: run(*(inputs[n] for n in INPUTS)), named)
    if tokenizer is not None:
        config = getattr(model, "encoder", model).config
        if max_length is None:
            max_length = getattr(model, "max_length", config.max_length)
        in_graph = _in_graph(config, tokenizer, max_length)

        def run_strings(texts):
            inputs = in_graph(texts, max_length=max_length)
            return run(*(inputs[name] for name in INPUTS))

        archive.add_endpoint("strings", run_strings, [tf.TensorSpec([None], tf.string, "texts")])
    with saving_saved_models(folder) as new:
        archive.write_out(str(new), verbose=False)
    return folder


def export_signature(model, folder, signature) -> Path:
    """Exports a SavedModel that takes what a signature says, as `keras.Model.export` does.

    Args:
        model: A Keras model. Of the dict that it may return, the lists are left out.
        folder: Output folder; a SavedModel that is there is replaced.
        signature: The list of what the model's call takes.

    Returns:
        The folder.

    Raises:
        UserError: The signature has strings, Keras does not run on TensorFlow, or the folder has
            something else than a SavedModel.
    """
    folder = Path(folder)
    check_can_write(folder)
    if any(spec.dtype == "string" for spec in keras.tree.flatten(signature)):
        raise UserError(
            f"input_signature has strings, and a {type(model).__name__} takes token ids: leave it "
            "out, and export has a signature for texts where the tokenizer is a WordPieceTokenizer."
        )
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", lambda *inputs: _tensors(model(*inputs)), signature)
    with saving_saved_models(folder) as new:
        archive.write_out(str(new), verbose=False)
    return folder


def outputs_of(model):
    """The model as a function of three tensors, to a dict of tensors."""

    def run(input_word_ids, input_mask, input_type_ids):
        inputs = dict(zip(INPUTS, (input_word_ids, input_mask, input_type_ids), strict=True))
        outputs = _tensors(model(inputs, training=False))
        return outputs if isinstance(outputs, dict) else {"outputs": outputs}

    return run


def _tensors(outputs):
    """What a model returns, without the lists of a dict."""
    if not isinstance(outputs, dict):
        return outputs
    return {name: value for name, value in outputs.items() if keras.ops.is_tensor(value)}


def ids_signature():
    """The specs of the three inputs, of any shape."""
    import tensorflow as tf

    return [tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUTS]


def _in_graph(config, tokenizer, max_length):
    from kerasformer.text.in_graph import InGraphTokenizer

    if tokenizer.vocab_size != config.vocab_size:
        raise UserError(
            f"The tokenizer has {tokenizer.vocab_size} tokens and the encoder "
            f"{config.vocab_size}: give the one that belongs to it."
        )
    if not isinstance(max_length, int) or not 2 <= max_length <= config.max_length:
        raise UserError(
            f"max_length is {max_length!r}, but must be from 2 to the encoder's "
            f"{config.max_length} positions."
        )
    return InGraphTokenizer(tokenizer)
