"""Texts to look at, with their labels where they have any: a sample of files, or of a corpus."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from kerasformer.corpus.embedded import EmbeddedCorpus
from kerasformer.corpus.manifest import MANIFEST
from kerasformer.corpus.neighbours import directions
from kerasformer.data.cells import is_missing, join_texts, label_in
from kerasformer.data.columns import Columns, choose_text, named, usual_label, usual_text
from kerasformer.data.input_files import list_files, open_table
from kerasformer.data.labeled import SINGLE_LABEL
from kerasformer.data.load import REVIEWS, load_dataset
from kerasformer.data.text_file import Dialect
from kerasformer.errors import UserError
from kerasformer.files import expanded


@dataclass(frozen=True, eq=False)
class TextSample:
    """Some of the `total` texts of a source, in its order."""

    name: str
    texts: list[str]
    labels: list[str | None] | None  # None for a text without one, or for all of them
    total: int
    vectors: np.ndarray | None = None  # float32 [n, size], where the source has them


def is_corpus(source: str) -> bool:
    """Whether a source is the folder of an embedded corpus."""
    return (expanded(source) / MANIFEST).is_file()


def sample_texts(
    source: str,
    limit: int,
    *,
    text_column: Columns | None = None,
    label_column: str | int | None = None,
    **dialect,
) -> TextSample:
    """Takes a sample of the texts of a data set, each text with the same chance, repeatably.

    The source is a file or folder that `kerasformer embed` takes, which is read row by row, or
    another one of `load_dataset`, whose settings the others are; labels may be missing.

    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp(), "films.csv")
    >>> _ = path.write_text("review,label\\nfine,1\\ndull,0\\n")
    >>> found = sample_texts(str(path), limit=10)
    >>> found.texts, found.labels
    (['fine', 'dull'], ['1', '0'])
    """
    columns = {"text_column": text_column, "label_column": label_column}
    if source in REVIEWS or source.startswith("tfds:"):
        return _of_data_set(source, limit, **columns, **dialect)
    files, read = list_files([source]), Dialect(**dialect)
    if text_column is None and label_column is None:
        tables = (open_table(file, read) for file in files)
        if any(table.sample and len(table.columns) > 1 for table in tables):
            # The columns have no names: load_dataset detects which is which.
            return _of_data_set(source, limit, **dialect)
    rows = (row for file in files for row in _rows(open_table(file, read), **columns))
    kept, total = _reservoir(rows, limit)
    texts, labels = [text for text, _ in kept], [label for _, label in kept]
    name = expanded(source).resolve().name
    labelled = any(label is not None for label in labels)
    return TextSample(name, texts, labels if labelled else None, total)


def sample_corpus(folder: str, limit: int, *, label_column: str | None = None) -> TextSample:
    """Takes a sample of an embedded corpus: texts, vectors as of `plain_numbers`, and labels.

    The labels are those of the files that were embedded, if they are still there and the same,
    which they must be for a given label column. A text that was not kept is its id.
    """
    corpus = EmbeddedCorpus(folder)
    chosen = np.arange(len(corpus))
    if limit < len(corpus):
        chosen = np.sort(np.random.default_rng(0).choice(len(corpus), limit, replace=False))
    texts, vectors, first = [], [], 0
    for shard in corpus.shards():
        places = chosen[(chosen >= first) & (chosen < first + len(shard.ids))] - first
        texts += [str((shard.texts or shard.ids)[place]) for place in places]
        vectors.append(plain_numbers(shard.vectors[places], corpus.dtype))
        first += len(shard.ids)
    try:
        labels = _labels_of(corpus, chosen, label_column)
    except UserError:
        if label_column is not None:
            raise
        labels = None
    whole = np.concatenate(vectors) if vectors else np.zeros((0, corpus.width), "float32")
    return TextSample(corpus.folder.resolve().name, texts, labels, len(corpus), whole)


def plain_numbers(vectors: np.ndarray, dtype: str) -> np.ndarray:
    """Stored vectors as float32 `[n, size]`; "int8" and "binary" have no lengths, and get 1."""
    vectors = np.asarray(vectors)
    return directions(vectors, dtype) if dtype in ("int8", "binary") else vectors.astype("float32")


def _of_data_set(source, limit, **options):
    dataset = load_dataset(source, limit=limit, problem_type=SINGLE_LABEL, **options)
    splits = dataset.splits.values()
    texts = [text for split in splits for text in split.texts]
    labels = [dataset.class_names[label] for split in splits for label in split.labels]
    return TextSample(dataset.name, texts, labels, dataset.provenance["rows"])


def _rows(table, text_column, label_column) -> Iterator[tuple[str, str | None]]:
    """Each text of a file, with its label."""
    label = _label_column(table, label_column, text_column)
    text = choose_text(table.columns, text_column, label, where=table.path)
    for number, (*cells, cell) in table.read([*text, label or text[0]]):
        where = f"{table.path}, {table.unit} {number}"
        given = (cell for cell in cells if isinstance(cell, str) or not is_missing(cell))
        yield join_texts(given, where), _label(cell, label, where) if label else None


def _label_column(table, label_column, text_column):
    """The column of the label: the one asked for, or the one that holds it by its name, if any."""
    if label_column is not None:
        return named(label_column, table.columns, table.path)[0]
    if text_column is not None:
        return usual_label(table.columns, named(text_column, table.columns, table.path))
    return usual_label(table.columns, usual_text(table.columns) or ())


def _label(cell, column, where):
    return None if is_missing(cell) else label_in(cell, column, where)


def _reservoir(rows: Iterable, limit):
    """At most `limit` rows, each with the same chance, in their order; and how many there are."""
    rng, kept, total = random.Random(0), [], 0
    for total, row in enumerate(rows, 1):
        if total <= limit:
            kept.append((total, row))
        elif (place := rng.randrange(total)) < limit:
            kept[place] = (total, row)
    return [row for _, row in sorted(kept, key=lambda pair: pair[0])], total


def _labels_of(corpus, chosen, label_column):
    """The labels of rows of a corpus, in the files that it was made of."""
    source, manifest = corpus.manifest.job.input, corpus.manifest
    source.check()
    done = [shard for shard in manifest.planned if shard.index in manifest.done]
    made = [np.arange(shard.first_row, shard.first_row + shard.rows) for shard in done]
    wanted = np.concatenate(made)[chosen] if made else chosen
    labels, first = [], 0
    for file in source.files:
        table = source.open(file)
        column = _label_column(table, label_column, source.text_columns)
        if column is None:
            raise UserError(f"{file.path} has no column with the name of a label.")
        rows, count = set((wanted - first).tolist()), 0
        for count, (number, (cell,)) in enumerate(table.read([column]), 1):
            if count - 1 in rows:
                labels.append(_label(cell, column, f"{file.path}, {table.unit} {number}"))
        first += count
    return labels
