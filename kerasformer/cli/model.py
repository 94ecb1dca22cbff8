"""A model read with its head, written in a format, and compared with what was written."""

from pathlib import Path

import keras
import numpy as np

from kerasformer.checkpoints import Checkpoint, open_checkpoint
from kerasformer.checkpoints.export.tfhub import export_tfhub
from kerasformer.checkpoints.formats import keras_file
from kerasformer.checkpoints.inspect import refused_heads
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.tasks import MultipleChoice
from kerasformer.tasks.loading import task_of

_TEXT = "Is it equal? It must be."
_TOLERANCE = 1e-5


def read_model(checkpoint: Checkpoint, to: str):
    """Reads as much of a model as the format `to` can hold: a `BertEncoder` or a task.

    Returns that, the source's tokenizer or None, and what is left out, in words.
    """
    can_be = {"hf": checkpoint.heads, "tfhub": ("masked_lm",), "keras": ()}[to]
    _, taken = task_of(set(checkpoint.heads) & set(can_be))
    left_out = [
        f"the {head.replace('_', ' ')} head"
        for head in (*checkpoint.heads, *refused_heads(checkpoint))
        if head not in taken
    ]
    if checkpoint.format == "sentence-transformers":
        left_out.append("the pooling and what follows it in modules.json")
    tokenizer = checkpoint.read_tokenizer() if checkpoint.has_tokenizer else None
    if tokenizer is None or to == "keras":
        left_out.append("the tokenizer" + (", which the source lacks" if tokenizer is None else ""))
    model = _read(checkpoint, taken, tokenizer)
    # transformers has a pooler only where a head takes its vector.
    if to == "hf" and model is not _encoder(model) and not model.uses_pooler:
        left_out += ["the pooler, which transformers' class lacks"] * bool(model.encoder.pooler)
    return model, tokenizer, left_out


def _read(checkpoint, heads: tuple[str, ...], tokenizer):
    """The encoder, or the task of the heads."""
    task, _ = task_of(heads)
    if task is None:
        return checkpoint.load_encoder(BertEncoder)
    settings = {}
    if set(heads) & {"classifier", "token_classifier"} and checkpoint.class_names is None:
        settings["class_names"] = [f"LABEL_{i}" for i in range(checkpoint.num_classes(*heads))]
    return task.from_checkpoint(checkpoint, tokenizer=tokenizer, **settings)


def write_model(model, tokenizer, path: Path, to: str):
    """Writes what `read_model` returned, or raises a `UserError` if the format cannot hold it."""
    encoder = _encoder(model)
    if to == "keras":
        encoder.save(path)
    elif to == "tfhub":
        if tokenizer is None:
            raise UserError(
                "The source has no tokenizer, and TF Hub's preprocessor is made of one."
            )
        length = min(128, encoder.config.max_length)
        head = None if encoder is model else model.masked_lm
        export_tfhub(encoder, tokenizer, path, seq_length=length, mlm_head=head)
    else:
        model.save_pretrained(path, **({"tokenizer": tokenizer} if encoder is model else {}))


def _encoder(model) -> BertEncoder:
    return model if isinstance(model, BertEncoder) else model.encoder


def compare_with(model, tokenizer, path: Path, to: str):
    """Compares what was written to `path` with the model; what differs is a `UserError`.

    Returns the model that was written, how many weights are equal, and the largest difference of
    the outputs for a fixed input, relative where they are above 1.
    """
    if to == "tfhub":
        return _compare_saved_models(model, tokenizer, path)
    model = _encoder(model) if to == "keras" else model
    checkpoint = keras_file.open_path(path) if to == "keras" else open_checkpoint(path)
    again = _read(checkpoint, tuple(getattr(model, "heads", ())), tokenizer)
    if to == "hf" and tokenizer is not None:
        texts, read = [_TEXT, "".join(tokenizer.vocabulary())], checkpoint.read_tokenizer()
        if read.tokenize(texts).ids != tokenizer.tokenize(texts).ids:
            raise UserError("The tokenizer that was written yields other ids than the source's.")
    difference = _largest_difference(model(_inputs(model)), again(_inputs(model)))
    weights = model.weights
    if len(again.weights) < len(weights):  # the pooler of an encoder whose head does without
        weights = [weight for weight in weights if "/pooler_transform/" not in weight.path]
    for pair in zip(weights, again.weights, strict=True):
        if not np.array_equal(*map(keras.ops.convert_to_numpy, pair)):
            raise UserError(f"{pair[0].path} was not read back as it was written.")
    return again, len(weights), difference


def _inputs(model) -> dict:
    """A fixed batch, with padding and two segments."""
    config = _encoder(model).config
    rng, length = np.random.default_rng(0), min(12, config.max_length)
    mask = (np.arange(length) < [[length], [max(1, length // 2)], [1]]).astype("int32")
    inputs = {
        "input_word_ids": rng.integers(0, config.vocab_size, mask.shape, "int32"),
        "input_mask": mask,
        "input_type_ids": rng.integers(0, min(2, config.type_vocab_size), mask.shape, "int32"),
    }
    if isinstance(model, MultipleChoice):
        return {name: array[None] for name, array in inputs.items()}
    return inputs


def _largest_difference(ours, theirs) -> float:
    """Between outputs of the same structure, as large as they are for values above 1."""
    differences = []
    for pair in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
        one, other = (np.asarray(keras.ops.convert_to_numpy(x), "float64") for x in pair)
        differences.append(np.abs(one - other).max() / max(1.0, np.abs(one).max()))
    largest = float(np.max(differences))  # NaN where there is one
    if not largest <= _TOLERANCE:
        raise UserError(
            f"The outputs of what was written differ from the source's by {largest:.1g}, and must "
            f"not by more than {_TOLERANCE:g}: it was removed again."
        )
    return largest


def _compare_saved_models(model, tokenizer, path: Path):
    """Runs the SavedModels, which this process has written."""
    import tensorflow as tf

    encoder, inputs = _encoder(model), _inputs(model)
    saved = tf.saved_model.load(str(path / "encoder"))
    outputs, saved_outputs = encoder(inputs), saved(inputs)
    difference = _largest_difference(outputs, {name: saved_outputs[name] for name in outputs})
    if encoder is not model:
        inputs["masked_lm_positions"] = np.zeros((3, 1), "int32")
        predicted = saved.mlm(inputs)["mlm_logits"]
        difference = max(difference, _largest_difference(model(inputs), predicted))
    preprocessor = tf.saved_model.load(str(path / "preprocessor"))
    ids = preprocessor(tf.constant([_TEXT]))["input_word_ids"].numpy()[0]
    expected = tokenizer.tokenize([_TEXT], max_length=len(ids)).ids[0]
    if ids[: len(expected)].tolist() != expected:
        raise UserError("The preprocessor that was written yields other ids than the tokenizer.")
    return model, len(model.weights), difference
