"""Examples out of TensorFlow Datasets, whose splits are the official ones."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasformer.data.columns import PAIR_COLUMNS, Columns, named, usual, usual_text
from kerasformer.data.dataset import split_name
from kerasformer.data.source import Part, Source
from kerasformer.data.split_files import split_within
from kerasformer.data.tables import Table
from kerasformer.data.text_file import BEGINNING, Place
from kerasformer.errors import UserError, require
from kerasformer.sources.resolve import is_offline

_BATCH = 1024  # rows decoded at once; only speed depends on it


@dataclass(frozen=True)
class TfdsSource(Source):
    """A set of TensorFlow Datasets.

    Rows without a text or a label, as the hidden labels (-1) of some test splits, are left out
    and counted, and so are whole splits under other names, such as "unsupervised".
    """

    builder: Any = None

    def label_columns(
        self, text_column: Columns | None, label_column: Columns | None, pairs: bool
    ) -> tuple[Columns | None, Columns | None]:
        """The features of texts and labels.

        The text is the feature with a usual name, such as "text", or title and description;
        without one, all text features joined by a space, in their order; of pairs, the only two.
        The label is the only `ClassLabel`.
        """
        features, where = self.builder.info.features, f"tfds:{self.builder.name}"
        scalars = _scalars(self.builder)
        strings = [name for name, feature in scalars.items() if _is_text(feature)]
        classes = [name for name in scalars if hasattr(scalars[name], "int2str")]
        if label_column is None and len(classes) == 1:
            label_column = classes[0]
        others = tuple(name for name in strings if name != label_column)
        if text_column is not None:
            text_column = named(text_column, list(features), where)
            for name in text_column:
                if name not in strings:
                    raise UserError(f"Feature {name!r} of {where} is not a text: name one that is.")
        elif pairs:
            text_column = usual(strings, PAIR_COLUMNS) or (others if len(others) == 2 else None)
        else:
            text_column = usual_text(strings) or others or None
        return text_column, label_column

    def tables_to_learn_from(self) -> list[Table]:
        """The splits without a label too, such as "unsupervised", but for those to evaluate on."""
        tfds = require("tensorflow_datasets", extra="tfds")
        splits = [
            (name, split_name(name) or split_within(name)) for name in self.builder.info.splits
        ]
        names = [name for name, split in splits if split in (None, "train")]
        return [_table(tfds, self.builder, name) for name in names]

    def classes(self, label_columns: Sequence[str]) -> tuple[str, ...] | None:
        """The names of a `ClassLabel`."""
        (first, *others), features = label_columns, self.builder.info.features
        feature = getattr(features[first], "feature", features[first])  # of a sequence
        return None if others else tuple(getattr(feature, "names", None) or ()) or None


def open_tfds(name: str, data_dir: str | os.PathLike | None) -> TfdsSource:
    """Opens a set of TensorFlow Datasets, preparing it where needed."""
    tfds = require("tensorflow_datasets", extra="tfds")
    require("tensorflow", what=f"tfds:{name}")  # to read a set, not to be imported
    builder = _builder(tfds, name, data_dir)
    _prepare(builder)
    if not isinstance(builder.info.features, tfds.features.FeaturesDict):
        raise UserError(f"tfds:{builder.name} has no named features: give another set.")
    splits = list(builder.info.splits)
    usual_names = {usual_name: split for split in splits if (usual_name := split_name(split))}
    for split in splits:  # such as "validation_matched", where there is no "validation"
        if (usual_name := split_within(split)) and usual_name not in usual_names:
            usual_names[usual_name] = split
    chosen = {split: usual_name for usual_name, split in usual_names.items()}
    parts = [Part(s, chosen[s], _table(tfds, builder, s)) for s in splits if s in chosen]
    ignored = [split for split in splits if split not in chosen]
    provenance = {"tfds": builder.info.full_name, "ignored_splits": ignored}
    return TfdsSource(builder.name, parts, provenance, is_published=True, builder=builder)


def _scalars(builder):
    return {name: f for name, f in builder.info.features.items() if f.shape == ()}


def _is_text(feature):
    return np.dtype(feature.np_dtype).kind in "OSU"


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


def _table(tfds, builder, split):
    """A split as a table, in the order on disk; classes are their names, None where not given."""
    features = builder.info.features
    where = f"tfds:{builder.name}, {split}"

    def walk(wanted, start=BEGINNING):
        examples = builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding(dict.fromkeys(wanted, True)),
            read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
        if set(wanted) <= _scalars(builder).keys():
            batches = examples.batch(_BATCH).as_numpy_iterator()
            columns = ([batch[name] for name in wanted] for batch in batches)
            rows = (row for cells in columns for row in zip(*cells, strict=True))
        else:
            rows = ([row[name] for name in wanted] for row in examples.as_numpy_iterator())
        for number, row in enumerate(rows, 1):
            cells = zip(row, wanted, strict=True)
            yield Place(number), tuple(_plain(cell, features[name], where) for cell, name in cells)

    return Table(where, tuple(features), "row", walk)


def _plain(cell, feature, where):
    """A value without arrays: a list of a sequence, or a dict of lists of one of dicts."""
    if isinstance(cell, dict):
        inner = getattr(feature, "feature", feature)
        return {name: _plain(value, inner[name], where) for name, value in cell.items()}
    if getattr(cell, "ndim", 0):
        inner = getattr(feature, "feature", feature)
        return [_plain(value, inner, where) for value in cell]
    if isinstance(cell, bytes):
        return _decoded(cell, where)
    value = cell.item()
    names = getattr(feature, "names", None)
    if names is None:
        return value
    return names[value] if value >= 0 else None  # -1 is a label that is not given


def _decoded(cell: bytes, where) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        raise UserError(
            f"{where} holds a text that is not UTF-8, {cell[:40]!r}: prepare it again."
        ) from None
