"""Exporting a native encoder and its tokenizer as SavedModels in TF Hub's format.

The format is that of https://www.tensorflow.org/hub/common_saved_model_apis/text, as
`official/nlp/tools/export_tfhub_lib.py` of https://github.com/tensorflow/models wrote BERT's
SavedModels on TF Hub.
"""

import functools
import tempfile
from pathlib import Path

import keras

from kerasformer.checkpoints.export.saved_model import check_can_write, saving_saved_models
from kerasformer.checkpoints.formats.tf_names import TF_MODELS
from kerasformer.errors import UserError
from kerasformer.layers.kernels import is_plain
from kerasformer.models.config import INPUTS
from kerasformer.private_api import all_layers

_SPECIAL_TOKENS = {
    "start_of_sequence_id": "cls_id",
    "end_of_segment_id": "sep_id",
    "padding_id": "pad_id",
    "mask_id": "mask_id",
    "vocab_size": "vocab_size",
}
# What is before a head's names in what tf-models-official exports.
_HEADS = "bert/"


def export_tfhub(encoder, tokenizer, folder, *, seq_length=128, mlm_head=None) -> Path:
    """Exports `encoder` and `preprocessor`, two SavedModels as TF Hub has them for BERT.

    Plain TensorFlow runs both, without Keras and kerasformer; for the preprocessor
    `import tensorflow_text` must come first. `hub.KerasLayer` of Keras 2 takes them too, to
    fine-tune as well, and `kerasformer.hub.HubEncoder` of Keras 3.

    - The encoder takes the dict of `input_word_ids`, `input_mask` and `input_type_ids`, int32
      `[batch, seq]`, and `training=`, which switches dropout on. It returns `pooled_output`,
      `default`, `sequence_output` and the list `encoder_outputs`, float32. Its variables have TF
      Hub's names and are float32; `.vocab_file` and `.do_lower_case` are the tokenizer's. With
      `mlm_head`, `.mlm` takes `masked_lm_positions` too and also returns `mlm_logits`.
    - The preprocessor takes strings `[batch]` and returns the encoder's inputs. `.tokenize` gives
      ids, int32 `[batch, (words), (pieces)]`, `.tokenize.get_special_tokens_dict()` the special
      ones, and `.bert_pack_inputs(segments, seq_length=)` packs the ids of one or two texts.
      Its ids are this tokenizer's, see `kerasformer.text.in_graph`. TF Hub's own differ from them
      for special tokens typed out in a text, control characters and spaces beyond ASCII's and,
      lower-cased, for characters with a compatibility or folded form (ß, …, ﬁ).

    Args:
        encoder: A `BertEncoder` with a pooler.
        tokenizer: Its `WordPieceTokenizer`.
        folder: Output folder for the two; SavedModels that are there are replaced.
        seq_length: Default length that the preprocessor pads and truncates to.
        mlm_head: A `kerasformer.layers.MaskedLMHead` on the encoder, or None.

    Returns:
        The folder.

    Raises:
        UserError: The encoder has no pooler, the vocabularies or `seq_length` do not fit, the
            tokenizer cannot be built into a graph, tensorflow-text is missing, Keras does not run
            on TensorFlow, or the folder has something else under these names.
    """
    folder = Path(folder)
    check_can_write(folder / "encoder", folder / "preprocessor")
    import tensorflow as tf

    _check(encoder, tokenizer, seq_length, mlm_head)
    from kerasformer.text.in_graph import InGraphTokenizer

    parts = {
        "encoder": _encoder(encoder, mlm_head),
        "preprocessor": _preprocessor(InGraphTokenizer(tokenizer), seq_length),
    }
    with saving_saved_models(folder, *parts) as new, tempfile.TemporaryDirectory() as place:
        vocab_file = Path(place, "vocab.txt")
        vocab_file.write_bytes("".join(f"{t}\n" for t in tokenizer.vocabulary()).encode())
        for name, (root, signature) in parts.items():
            root.vocab_file = tf.saved_model.Asset(str(vocab_file))
            lowercase = tokenizer.backend.normalizer.lowercase
            root.do_lower_case = tf.Variable(lowercase, trainable=False, name="do_lower_case")
            tf.saved_model.save(root, str(new / name), {"serving_default": signature})
    return folder


def _check(encoder, tokenizer, seq_length, mlm_head):
    config = encoder.config
    if not all(is_plain(layer) for layer in all_layers(encoder)):
        raise UserError(
            "The encoder is quantized or has LoRA, which TF Hub's format cannot hold: use export, "
            "or save_pretrained, which merges LoRA, and export what from_pretrained gives."
        )
    if encoder.pooler is None:
        raise UserError(
            "The encoder has no pooler, but TF Hub's format has pooled_output: give an encoder "
            "with one."
        )
    if config.pooler_activation != "tanh":
        raise UserError(
            f"The encoder's pooler has the activation {config.pooler_activation!r}, but that of TF "
            "Hub's format tanh: export an encoder without its classifier."
        )
    for name, size in (("tokenizer", tokenizer), ("mlm_head", mlm_head)):
        if size is not None and size.vocab_size != config.vocab_size:
            raise UserError(
                f"The {name} has {size.vocab_size} tokens and the encoder {config.vocab_size}: "
                "give those that belong together."
            )
    if not isinstance(seq_length, int) or not 3 <= seq_length <= config.max_length:
        raise UserError(
            f"seq_length is {seq_length!r}, but must be from 3 to the encoder's "
            f"{config.max_length} positions."
        )


def _encoder(encoder, mlm_head):
    """The encoder as a trackable object, and its serving signature."""
    import tensorflow as tf

    mapping = _copies(encoder, TF_MODELS.encoder_weights(encoder.config))

    def encode(inputs, training):
        with _replaced(encoder, mapping):
            return _float32(encoder(inputs, training=training))

    root = _with_variables(mapping)
    encode = _add_call(root, encode, {name: _ids_spec(name) for name in INPUTS})
    if mlm_head is not None:
        head = TF_MODELS.head_weights("masked_lm", encoder.config)
        head_mapping = _copies(mlm_head, (weight.within("", _HEADS) for weight in head))
        table = encoder.embedding.word_embeddings.embeddings

        def predict(inputs, training):
            positions = inputs["masked_lm_positions"]
            outputs = encode[training]({name: inputs[name] for name in INPUTS})
            with _replaced(encoder, mapping + head_mapping):
                logits = mlm_head(outputs["sequence_output"], table, positions)
            return _float32(outputs | {"mlm_logits": logits})

        root.mlm = _with_variables(mapping + head_mapping)
        names = (*INPUTS, "masked_lm_positions")
        _add_call(root.mlm, predict, {name: _ids_spec(name) for name in names})

    @tf.function(autograph=False, input_signature=[_ids_spec(name) for name in INPUTS])
    def serve(*inputs):
        outputs = encode[False](dict(zip(INPUTS, inputs, strict=True)))
        return {name: value for name, value in outputs.items() if name != "encoder_outputs"}

    return root, serve


def _copies(layer, weights):
    """Pairs of a layer's variable and a float32 `tf.Variable` of its value, under TF Hub's name."""
    import tensorflow as tf

    names = {f"{layer.path}/{weight.ours}": weight.theirs for weight in weights}
    return [
        (variable, tf.Variable(tf.cast(variable.value, "float32"), name=names[variable.path]))
        for variable in layer.weights
    ]


def _replaced(encoder, mapping):
    """A scope in which a call takes the copies, and dropout is drawn anew each time."""
    import tensorflow as tf

    values = [(weight, tf.cast(copy, weight.dtype)) for weight, copy in mapping]
    known = {id(weight) for weight, _ in mapping}
    seeds = [variable for variable in encoder.variables if id(variable) not in known]
    for seed in seeds:
        drawn = tf.random.uniform(seed.shape, maxval=2**31 - 1, dtype="int32")
        values.append((seed, tf.cast(drawn, seed.dtype)))
    return keras.StatelessScope(state_mapping=values)


def _float32(outputs):
    import tensorflow as tf

    return tf.nest.map_structure(lambda tensor: tf.cast(tensor, "float32"), outputs)


def _ids_spec(name):
    import tensorflow as tf

    return tf.TensorSpec([None, None], tf.int32, name=name)


def _trackable():
    """An object that can be saved; unlike `tf.train.Checkpoint` it brings no counter of saves."""
    import tensorflow as tf

    class Saved(tf.Module):
        variables = trainable_variables = ()  # to be set, where the parent finds them itself

    return Saved()


def _with_variables(mapping):
    """A trackable object with the lists of variables that Keras saves a layer with."""

    root = _trackable()
    root.variables = [copy for _, copy in mapping]
    root.trainable_variables = list(root.variables)
    root.regularization_losses = []
    return root


def _add_call(root, function, spec):
    """Makes an object callable as Keras does, with optional `training` and `mask`.

    Returns:
        The function with `training` True and False, each traced once for all that call it.
    """
    import tensorflow as tf

    traced = {
        training: tf.function(
            functools.partial(function, training=training), input_signature=[spec], autograph=False
        )
        for training in (True, False)
    }

    @tf.function(autograph=False)
    def call(inputs, training=False, mask=None):
        return traced[training](inputs)

    for training in traced:
        call.get_concrete_function(spec, training=training, mask=None)
    root.__call__ = call
    return traced


def _preprocessor(in_graph, seq_length):
    """The preprocessor as a trackable object, and its serving signature."""
    import tensorflow as tf

    sentences = tf.TensorSpec([None], tf.string, name="sentences")
    root = _trackable()

    def preprocess(sentences, training):
        return in_graph.pack([in_graph.tokenize(sentences)], seq_length)

    def tokenize(sentences, training):
        return in_graph.tokenize(sentences)

    preprocess = _add_call(root, preprocess, sentences)
    root.tokenize = _trackable()
    _add_call(root.tokenize, tokenize, sentences)

    tokenizer = in_graph.tokenizer
    ids = {name: getattr(tokenizer, attribute) for name, attribute in _SPECIAL_TOKENS.items()}
    root.tokenize.get_special_tokens_dict = _trackable()
    root.tokenize.get_special_tokens_dict.__call__ = tf.function(
        lambda: {name: tf.constant(id_) for name, id_ in ids.items() if id_ is not None},
        input_signature=[],
    )

    @tf.function(autograph=False)
    def pack(inputs, seq_length=seq_length):
        return in_graph.pack(inputs, seq_length)

    for rank in (2, 3):
        segment = tf.RaggedTensorSpec([None] * rank, tf.int32)
        for segments in ([segment], [segment, segment]):
            pack.get_concrete_function(segments, seq_length=tf.TensorSpec([], tf.int32))
    root.bert_pack_inputs = _trackable()
    root.bert_pack_inputs.__call__ = pack

    return root, preprocess[False]
