"""Labelled texts out of TensorFlow Datasets, whose splits are the official ones."""

import difflib
import os

import numpy as np

from kerasformer.data.cells import is_missing, label_in
from kerasformer.data.columns import choose_columns, usual_text
from kerasformer.data.dataset import split_name
from kerasformer.data.raw import RawDataset, RawSplit
from kerasformer.errors import UserError, require
from kerasformer.sources.resolve import is_offline

_BATCH = 1024  # rows decoded at once; only speed depends on it


def read_tfds(name: str, text_column=None, label_column=None, data_dir=None) -> RawDataset:
    """Reads a text classification set of TensorFlow Datasets, preparing it where needed.

    The text is the feature with a usual name, such as "text", or title and description; without
    one, all text features joined by a space, in their order. The label is the only `ClassLabel`.
    Rows without a text or a label, as the hidden labels (-1) of some test splits, are left out
    and counted, and so are whole splits under other names, such as "unsupervised".
    """
    tfds = require("tensorflow_datasets", extra="tfds")
    builder = _builder(tfds, name, data_dir)
    _prepare(builder)
    text, label = _features(tfds, builder, text_column, label_column)
    feature = builder.info.features[label]
    names = feature.names if getattr(feature, "num_classes", None) else None
    splits, ignored, dropped = {}, [], 0
    for split in builder.info.splits:
        usual = split_name(split)
        if not usual:
            ignored.append(split)
            continue
        rows, without = _read_split(tfds, builder, split, text, label, names)
        if rows.texts:
            splits[usual] = rows
            dropped += without
        else:
            ignored.append(split)
    if not splits:
        raise UserError(f"tfds:{name} holds no labelled texts: give another set.")
    seen = {label for rows in splits.values() for label in rows.labels}
    classes = tuple(name for name in names if name in seen) if names else None
    provenance = {
        "tfds": builder.info.full_name,
        "columns": {"text": list(text), "label": label},
        "ignored_splits": ignored,
        "rows_left_out": dropped,
    }
    return RawDataset(builder.name, splits, classes, provenance)


def _builder(tfds, name, data_dir):
    try:
        return tfds.builder(name, data_dir=None if data_dir is None else os.fspath(data_dir))
    except tfds.core.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        near = difflib.get_close_matches(name.split("/")[0], known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "check the name."
        raise UserError(f"TensorFlow Datasets has no set {name!r}: {hint}") from None
    except Exception as error:
        raise _failure(name, "be opened", error) from error


def _prepare(builder):
    """Downloads and prepares the set, which does nothing where that was done before."""
    if builder.is_prepared():
        return
    if is_offline():
        raise UserError(
            f"tfds:{builder.name} is not prepared in {builder.data_dir}, and KERASFORMER_OFFLINE "
            "forbids to fetch it: unset it once, or give the data_dir that has it."
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise _failure(builder.name, "be fetched and prepared", error) from error


def _failure(name, what, error):
    """One sentence for what other people's builders raise: anything."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(":. ")
    return UserError(
        f"tfds:{name} cannot {what} ({reason[:300]}): check the name and the network, or give the "
        "data_dir that has it."
    )


def _features(tfds, builder, text_column, label_column):
    features = builder.info.features
    where = f"tfds:{builder.name}"
    if not isinstance(features, tfds.features.FeaturesDict):
        raise UserError(f"{where} has no named features: give a text classification set.")
    scalars = {name: feature for name, feature in features.items() if feature.shape == ()}
    strings = [name for name in scalars if np.dtype(scalars[name].np_dtype).kind in "OSU"]
    classes = [name for name in scalars if isinstance(scalars[name], tfds.features.ClassLabel)]
    if label_column is None and len(classes) == 1:
        label_column = classes[0]
    if text_column is None and usual_text(strings) is None:
        text_column = [name for name in strings if name != label_column] or None
    text, label = choose_columns(list(scalars), text_column, label_column, where)
    for name in text:
        if name not in strings:
            raise UserError(f"Feature {name!r} of {where} is not a text: name one that is.")
    return text, label


def _read_split(tfds, builder, split, text, label, names):
    """The rows of a split in the order on disk, and how many had no text or no label."""
    examples = builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(dict.fromkeys([*text, label], True)),
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
    )
    rows, without = RawSplit(), 0
    for batch in examples.batch(_BATCH).as_numpy_iterator():
        texts = [[_decoded(cell, builder.name) for cell in batch[name]] for name in text]
        labels = batch[label].tolist()
        if names is not None:  # -1 is a label that is not given
            labels = [names[cell] if cell >= 0 else None for cell in labels]
        for parts, cell in zip(zip(*texts, strict=True), labels, strict=True):
            parts = [part for part in parts if not is_missing(part)]
            cell = _decoded(cell, builder.name) if isinstance(cell, bytes) else cell
            if parts and not is_missing(cell):
                rows.texts.append(" ".join(parts))
                rows.labels.append(label_in(cell, label, f"tfds:{builder.name}"))
            else:
                without += 1
    return rows, without


def _decoded(cell: bytes, name) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        raise UserError(
            f"tfds:{name} holds a text that is not UTF-8, {cell[:40]!r}: prepare it again."
        ) from None
