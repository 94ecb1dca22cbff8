"""Folders of labelled data, as the library `datasets` reads them."""

import pytest

from kerasformer.data import load_dataset
from kerasformer.data.split_files import split_files
from kerasformer.errors import UserError

HASH = "b42a775f407cee45"
T, V, E = "train", "validation", "test"


@pytest.fixture
def make(tmp_path):
    """A function: makes empty files, and gives what is found of them."""

    def make(*names):
        for name in names:
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        found = split_files(tmp_path / "set")
        return {path.relative_to(tmp_path / "set").as_posix(): split for path, split in found}

    return make


# What `datasets.data_files.get_data_patterns` of version 5.2 makes of each, told without the files
# that it would not read as tables either.
LAYOUTS = [
    {"train.csv": T, "test.csv": E},
    {"train.csv": T, "valid.csv": V},
    {"train.jsonl": T, "dev.jsonl": V, "eval.jsonl": E},
    {"train-00000-of-00001.parquet": T, "validation-00000-of-00001.parquet": V},
    {f"train-00000-of-00001-{HASH}.parquet": T, f"test-00000-of-00001-{HASH}.parquet": E},
    {f"data/train-0000{n}-of-00003-{HASH}.parquet": T for n in range(3)}
    | {f"data/test-00000-of-00001-{HASH}.parquet": E},
    {"data/train.csv": T, "data/val.csv": V, "data/test.csv": E},
    {"train/0000.parquet": T, "train/0001.parquet": T, "test/0000.parquet": E},
    {"data/train/shard_1.jsonl": T, "data/train/shard_2.jsonl": T, "data/test/shard_1.jsonl": E},
    {"plain_text/train-00000-of-00001.parquet": T, "plain_text/test-00000-of-00001.parquet": E},
    {"my_dataset_train.csv": T, "my_dataset_test.csv": E},
    {"sst2-train.jsonl.gz": T, "sst2-dev.jsonl.gz": V},
    {"train_0.csv": T, "train_1.csv": T, "train_10.csv": T, "test_0.csv": E},
    {"train.part1.csv": T, "train.part2.csv": T},
    {"training.csv": T, "evaluation.csv": E},
    {"my_train_files/a.csv": T, "my_train_files/b.csv": T, "my_test_files/a.csv": E},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: next(iter(layout)))
def test_layouts(make, layout):
    others = ["README.md", "dataset_infos.json", ".gitattributes", ".cache/train.csv", "label.txt"]
    assert make(*layout, *others) == layout


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["test.csv"], "set has no training data: give a file"),
        (["trainer.csv"], "set has no training data"),
        (["train.csv", "train.parquet"], r"more than one train file, train.csv and train.parquet"),
        (["a_train.csv", "b_train.csv"], "more than one train file, a_train.csv and b_train.csv"),
        ([f"train-0000{n}-of-00003.csv" for n in (0, 2)], "has 2 of the 3 train files: fetch"),
        ([f"train-00000-of-00001-{h}.csv" for h in "ab"], "more than one train file"),
        (["cola/train.csv", "sst2/train.csv"], "several data sets, cola, sst2: give the folder of"),
        (["train/a.csv", "train/a.parquet"], "more than one train file, a.csv and a.parquet"),
    ],
)
def test_what_is_not_clear_is_refused(make, names, message):
    with pytest.raises(UserError, match=message):
        make(*names)


def test_files_of_one_name_in_two_folders_are_told_apart(make, tmp_path):
    for split in ("train", "test"):
        path = tmp_path / "set" / split / "0.csv"
        path.parent.mkdir(parents=True)
        path.write_text("text,label\n" + "".join(f"{split} {n},{n % 2}\n" for n in range(6)))
    dataset = load_dataset(tmp_path / "set")
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 6, "test": 6}
    names = ["test/0.csv", "train/0.csv"]
    assert [file["name"] for file in dataset.provenance["files"]] == names
    assert sorted(dataset.provenance["columns"]) == names
