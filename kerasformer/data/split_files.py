"""The files of a labelled data set in a folder, and their splits, as the library `datasets` has it.

Its rules: https://huggingface.co/docs/datasets/repository_structure. A file or folder is of the
split whose name it has, or has as a word within its own; large splits are numbered files.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from kerasformer.data.dataset import split_name
from kerasformer.data.forms import TABLES, Form
from kerasformer.errors import UserError
from kerasformer.formatting import listed

# As in train-00000-of-00002.parquet and train-00000-of-00001-b42a775f407cee45.parquet.
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?:[-.].*)?$")
_BETWEEN_WORDS = r"[-._ 0-9]+"

Found = dict[str, list[Path]]


def split_files(folder: Path, form: Form = TABLES) -> list[tuple[Path, str]]:
    """The data files of a folder with their splits, in the order of their names.

    They lie in it, in its folder `data`, or in its only folder with such files.

    Raises:
        UserError: There is no training data, a numbered file is missing, or it is not clear which
            of several files or folders is meant.
    """
    found = _in_folder(folder, form) or _in_folder(folder / "data", form)
    if not found:
        inner = {name: _in_folder(name, form) for name in _listed(folder, Path.is_dir)}
        inner = {name: splits for name, splits in inner.items() if splits}
        if len(inner) > 1:
            names = listed(name.name for name in inner)
            raise UserError(f"{folder} holds several data sets, {names}: give the folder of one.")
        found = next(iter(inner.values()), {})
    if not found:
        raise UserError(
            f"{folder} has no training data: give a file, or a folder with a file named train and "
            f"perhaps validation and test, each {form.accepted}."
        )
    for split, files in found.items():
        _check(folder, split, files, form)
    return sorted((file, split) for split, files in found.items() for file in files)


def stem_of(path: Path) -> str:
    """The name without its suffixes, of which one that names a split is none, as in "eng.train"."""
    name = path.name.removesuffix(".gz")
    stem, _, suffix = name.rpartition(".")
    return name if split_name(suffix) else stem or path.name


def _in_folder(folder: Path, form: Form) -> Found:
    """The files of each split by the first rule that finds training data; else none."""
    files = _listed(folder, lambda path: bool(form.suffix_of(path)) and path.is_file())
    named = _by_split(files, lambda path: split_name(_SHARD.sub("", stem_of(path))))
    if "train" in named:
        return named
    folders = _by_split(_listed(folder, Path.is_dir), lambda path: split_within(path.name))
    within = {
        split: [f for each in inner for f in _listed(each, Path.is_file) if form.suffix_of(f)]
        for split, inner in folders.items()
    }
    within = {split: found for split, found in within.items() if found}
    if "train" in within:
        return within
    worded = _by_split(files, lambda path: split_within(stem_of(path)))
    return worded if "train" in worded else {}


def _listed(folder: Path, of_kind: Callable[[Path], bool]) -> list[Path]:
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        path for path in entries if not path.name.startswith((".", "__")) and of_kind(path)
    )


def _by_split(paths: Iterable[Path], split_of: Callable[[Path], str | None]) -> Found:
    found: Found = {}
    for path in paths:
        if split := split_of(path):
            found.setdefault(split, []).append(path)
    return found


def split_within(name: str) -> str | None:
    """The split that is a word of a name, if it is only one.

    >>> split_within("sst2_train.1"), split_within("training day"), split_within("train-test")
    ('train', 'train', None)
    """
    splits = {split for word in re.split(_BETWEEN_WORDS, name) if (split := split_name(word))}
    return splits.pop() if len(splits) == 1 else None


def _check(folder, split, files, form):
    """Refuses several files that are no parts of one, and parts of which some are missing."""
    shards = [_SHARD.search(stem_of(file)) for file in files]
    kinds = {form.suffix_of(file) for file in files}
    if len(kinds) == 1 and all(shards):
        places = [(int(shard[1]), int(shard[2])) for shard in shards if shard]
        count = places[0][1]
        if sorted(places) == [(number, count) for number in range(count)]:
            return
        if len(set(places)) == len(files) < count:
            raise UserError(
                f"{folder} has {len(files)} of the {count} {split} files: fetch the others."
            )
    in_folders = {split_name(file.parent.name) or split_within(file.parent.name) for file in files}
    alike = {re.sub(r"\d+", "", stem_of(file)) for file in files}
    numbered = len(alike) == 1 and not any(shards)
    if len(files) > 1 and not (len(kinds) == 1 and (numbered or in_folders == {split})):
        names = listed((file.name for file in files), most=4).replace(", ", " and ")
        raise UserError(f"{folder} has more than one {split} file, {names}: keep one of them.")
