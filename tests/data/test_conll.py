import gzip

import pytest

from kerasformer.data import load_dataset
from kerasformer.errors import UserError

WORDS = [["EU", "rejects", "call"], ["#", "1"], ["Ada"]] * 4
TAGS = [["B-org", "O", "O"], ["O", "O"], ["B-person"]] * 4


@pytest.fixture
def write(tmp_path):
    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode(encoding))
        return path

    return write


def sentences(dataset):
    """All sentences with their tags, sorted."""
    splits = dataset.splits.values()
    return sorted(
        [*zip(w, t, strict=True)] for s in splits for w, t in zip(s.words, s.tags, strict=True)
    )


def lines(divider="\t", end="\n", blank="", extra=None):
    """A file of the sentences above, in two columns, or with one between them."""
    row = divider.join(["{}", *([extra] if extra else []), "{}"])
    blocks = (
        end.join(row.format(*pair) for pair in zip(w, t, strict=True))
        for w, t in zip(WORDS, TAGS, strict=True)
    )
    return f"{end}{blank}{end}".join(blocks)


EXPECTED = sorted([*zip(w, t, strict=True)] for w, t in zip(WORDS, TAGS, strict=True))


@pytest.mark.parametrize(
    "content",
    [
        lines(),
        lines(" "),
        lines("   "),
        lines("\t", end="\r\n"),
        lines("\t", blank="\t") + "\n\n\n",
        lines(" \t", end=" \n"),
        lines("\t", extra="NN"),
        lines(" ", extra="NN _"),
        "-DOCSTART- -X- O\n\n" + lines(" ", extra="NN"),
        "# sent_id = 1\n# text = EU rejects\n" + lines("\t"),
        "\ufeff" + lines(),
    ],
)
def test_every_way_of_writing_columns(write, content):
    dataset = load_dataset(write("names.conll", content), "tagging")
    assert sentences(dataset) == EXPECTED
    assert dataset.tag_names == ("O", "B-org", "B-person")
    assert list(dataset.splits) == ["train", "test"]


@pytest.mark.parametrize("name", ["names", "names.txt", "names.whatever", "names.tsv"])
def test_a_file_may_have_any_name(write, name):
    assert sentences(load_dataset(write(name, lines()), "tagging")) == EXPECTED


def test_other_encodings_and_gzip(write, tmp_path):
    content = lines().replace("Ada", "Adé")
    latin = load_dataset(write("a.conll", content, "cp1252"), "tagging", encoding="cp1252")
    (tmp_path / "b.conll.gz").write_bytes(gzip.compress(content.encode()))
    assert sentences(load_dataset(tmp_path / "b.conll.gz", "tagging")) == sentences(latin)
    assert [("Adé", "B-person")] in sentences(latin)


def test_any_column(write):
    rows = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nAda NNP B-NP B-PER\n"
    path = write("eng.train", rows * 3)
    assert load_dataset(path, "tagging", label_column=1).tag_names == ("NNP", "VBZ")
    assert load_dataset(path, "tagging", label_column="2").tag_names == ("B-NP", "B-VP")
    assert load_dataset(path, "tagging").tag_names == ("O", "B-ORG", "B-PER")
    swapped = load_dataset(path, "tagging", text_column=1, label_column=0)
    assert ["NNP", "VBZ"] in [*swapped.train.words, *swapped.test.words]


def test_universal_dependencies(write):
    """Their comments, words of several tokens and empty tokens are no words."""
    rows = [
        "# text = vámonos al mar",
        "1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_",
        "1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_",
        "2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_",
        "2.1\tya\tya\tADV\t_\t_\t_\t_\t_\t_",
    ]
    other = "1\tmar\tmar\tNOUN\t_\t_\t0\troot\t_\t_\n"
    path = write("es.conllu", "\n".join(rows) + "\n\n" + other)
    found = sentences(load_dataset(path, "tagging", test_size=0.5))
    assert found == [[("mar", "NOUN")], [("vamos", "VERB"), ("nos", "PRON")]]
    xpos = load_dataset(path, "tagging", text_column="lemma", label_column="deprel", test_size=0.5)
    assert sorted(xpos.tag_names) == ["obj", "root"]


@pytest.mark.parametrize(
    "names",
    [
        ("train.conll", "dev.conll", "test.conll"),
        ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"),
        ("eng.train", "eng.testa", "eng.testb"),
        ("train.txt", "valid.txt", "test.txt"),
        ("train", "dev", "test"),
    ],
)
def test_a_folder(write, names):
    for name in names:
        write(f"set/{name}", lines())
    folder = write("set/README.md", "# About\n").parent
    dataset = load_dataset(folder, "tagging")
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 12,
        "validation": 12,
        "test": 12,
    }
    assert len(dataset.provenance["files"]) == 3
    assert dataset.provenance["sentences_also_in_train"] == {"validation": 12, "test": 12}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.conll holds no examples"),
        ("# only\n\n", "a.conll holds no examples"),
        ("a O\nb\n", "line 2, must have 2 columns, as the first word has, not 1"),
        ("a\tO\nb\t\n", "line 2, must have 2 columns, as the first word has, not 1"),
        ("a\tx\tO\nb\t\tO\n", "has only one tag, 'O'"),
        ("a\tx\tB\n\nb\t \tO\n\nc\tx\tO\n", None),
        ("word\nother\n", "a.conll has one column"),
        ("a O\n\nb O\n", "has only one tag, 'O'"),
        ("a B-x\na O\n", "no two different sentences"),
    ],
)
def test_bad_files(write, content, message):
    path = write("a.conll", content)
    if message is None:
        assert len(load_dataset(path, "tagging", test_size=0.3).train) > 0
        return
    with pytest.raises(UserError, match=message) as error:
        load_dataset(path, "tagging")
    assert "\n" not in str(error.value)


def test_an_empty_tag_or_word_names_the_sentence(write):
    path = write("a.conll", "a\tx\tB\n\nb\tx\tO\nc\t \tO\n")
    with pytest.raises(UserError, match=r"a\.conll, line 3, has '' as tag of word 2"):
        load_dataset(path, "tagging", label_column=1)
    with pytest.raises(UserError, match=r"a\.conll, line 3, has '' as word 2 of 2"):
        load_dataset(path, "tagging", text_column=1)


def test_a_tag_that_training_lacks_names_its_line(write):
    write("set/train.conll", lines())
    folder = write("set/test.conll", "fine O\n\nRome B-place\n").parent
    with pytest.raises(UserError, match=r"test\.conll, line 3, has the tag 'B-place'.*nowhere in"):
        load_dataset(folder, "tagging")
    # What is marked is what is learnt: a longer entity of a known kind is none of another.
    write("set/test.conll", "New B-org\nYork I-org\n")
    assert "I-org" in load_dataset(folder, "tagging").tag_names


def test_a_sentence_without_end(write):
    path = write("a.conll", "word\tO\n" * 300_000)
    with pytest.raises(UserError, match="line 1 is a text of more than 2 MiB"):
        load_dataset(path, "tagging")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a.csv", r"a\.csv cannot be read: expected CoNLL, \.jsonl or \.parquet"),
        ("README.md", "cannot be read: expected CoNLL"),
        ("nowhere.conll", r"There is no file or folder .*did you mean .*a\.csv|check the path"),
    ],
)
def test_other_files(write, source, message):
    folder = write("a.csv", "text,label\n").parent
    write("README.md", "# About\n")
    with pytest.raises(UserError, match=message):
        load_dataset(folder / source, "tagging")


def test_the_named_sets_are_of_classification():
    with pytest.raises(
        UserError, match="no data set, file or folder 'imdb': give one of 'tfds:NAME"
    ):
        load_dataset("imdb", "tagging")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_column": 5}, "has no column 5, only '0', '1'"),
        ({"delimiter": "tab"}, "leave out delimiter"),
        ({"problem_type": "regression"}, "problem_type does not apply to 'tagging'"),
        ({"class_names": ["O", "B-org"]}, "has the tag 'B-person', which is not among"),
        ({"class_names": ["O", "O"]}, "are not all different"),
        ({"label_column": 0}, "cannot be both words and tags"),
    ],
)
def test_options(write, options, message):
    with pytest.raises(UserError, match=message):
        load_dataset(write("a.conll", lines()), "tagging", **options)


def test_the_names_of_all_tags_may_be_given(write):
    names = ["O", "B-person", "I-person", "B-org", "I-org"]
    dataset = load_dataset(write("a.conll", lines()), "tagging", class_names=names)
    assert dataset.tag_names == tuple(names)
