import json

import pytest

from kerasformer.data import load_dataset
from kerasformer.errors import UserError


def article(number, paragraphs=2, impossible=False):
    return {
        "title": f"Article {number}",
        "paragraphs": [
            {
                "context": f"Né {number}: Ada codes in {place}. Ada rests.",
                "qas": [
                    {
                        "id": f"{number}-{place}-who",
                        "question": "Who codes?",
                        "answers": [
                            {"text": "Ada", "answer_start": 5 + len(str(number))},
                            {"text": "Ada codes", "answer_start": 5 + len(str(number))},
                        ],
                    },
                    {
                        "id": f"{number}-{place}-when",
                        "question": "When?",
                        "answers": [],
                        "is_impossible": True,
                        "plausible_answers": [{"text": "Ada", "answer_start": 0}],
                    },
                ][: 1 + impossible],
            }
            for place in ("Rome", "Oslo")[:paragraphs]
        ],
    }


@pytest.fixture
def write(tmp_path):
    def write(*articles, name="dev.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"version": "2.0", "data": articles}), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("impossible", [False, True])
def test_both_versions(write, impossible):
    path = write(*(article(n, impossible=impossible) for n in range(10)))
    dataset = load_dataset(path, "answering")
    assert dataset.name == "dev"
    assert dataset.has_unanswerable == impossible
    assert dataset.provenance["rows"] == 20 * (1 + impossible)
    train = dataset.train
    for question, context, answers, name, title in zip(
        train.questions, train.contexts, train.answers, train.ids, train.titles, strict=True
    ):
        assert title == f"Article {name.split('-')[0]}"
        assert name.split("-")[1] in context
        assert len(answers) == (2 if question == "Who codes?" else 0)
        for text, start in answers:
            assert context[start : start + len(text)] == text
    assert not set(train.titles) & set(dataset.test.titles)
    if impossible:
        assert train.contexts[0] is train.contexts[1]


def test_rows_and_files_give_the_same_data(write, tmp_path):
    path = write(*(article(n, impossible=True) for n in range(6)))
    expected = load_dataset(path, "answering").fingerprint()
    rows = []
    for each in json.loads(path.read_text())["data"]:
        for paragraph in each["paragraphs"]:
            for qa in paragraph["qas"]:
                answers = {
                    "text": [a["text"] for a in qa["answers"]],
                    "answer_start": [a["answer_start"] for a in qa["answers"]],
                }
                shared = {"title": each["title"], "context": paragraph["context"]}
                rows.append(
                    {"id": qa["id"], "question": qa["question"], "answers": answers} | shared
                )
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(map(json.dumps, rows)))
    found = load_dataset(lines, "answering")
    assert found.fingerprint() == expected
    by_context = {context: context for context in found.train.contexts}
    assert all(by_context[context] is context for context in found.train.contexts)
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(rows)
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=5)
    for source in (
        frame,
        tmp_path / "rows.parquet",
        pandas.read_parquet(tmp_path / "rows.parquet"),
    ):
        assert load_dataset(source, "answering").fingerprint() == expected


def test_a_folder(write):
    write(*(article(n) for n in range(4)), name="squad/train-v2.0.json")
    folder = write(article(9), name="squad/dev-v2.0.json").parent
    dataset = load_dataset(folder, "answering")
    assert list(dataset.splits) == ["train", "validation", "test"]
    assert len(dataset.validation) == 2


def test_without_ids_and_titles(tmp_path):
    rows = [
        {"question": "Who?", "context": f"Ada {i}", "answers": [{"text": "Ada", "answer_start": 0}]}
        for i in range(8)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    dataset = load_dataset(path, "answering")
    assert len({*dataset.train.ids, *dataset.test.ids}) == 8
    assert not set(dataset.train.contexts) & set(dataset.test.contexts)


def changed(path, value):
    """An article in which one place has another value."""
    whole = article(0, impossible=True)
    place = whole
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return whole


QA = ("paragraphs", 0, "qas", 0)
ANSWER = (*QA, "answers", 0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*ANSWER, "text"), "Bob", "question 1, has the answer 'Bob', which is not in its context"),
        ((*ANSWER, "answer_start"), 3, "'Ada' at 3, where its context has '0: '.*such as 6"),
        ((*ANSWER, "answer_start"), -1, "'Ada' at -1"),
        ((*ANSWER, "answer_start"), 999, "'Ada' at 999"),
        ((*ANSWER, "answer_start"), "6", "question 1, has answers that are not understood"),
        ((*ANSWER, "text"), " ", "question 1, has an empty answer"),
        ((*QA, "answers"), "Ada", "question 1, has answers that are not understood"),
        ((*QA, "answers"), ["Ada"], "question 1, has answers that are not understood"),
        ((*QA, "answers"), {"text": ["Ada"], "answer_start": []}, "1 texts and 0 starts"),
        ((*QA, "answers"), {"text": "Ada"}, "question 1, has answers that are not understood"),
        ((*QA, "is_impossible"), True, "question 1, has is_impossible and answers too"),
        ((*QA, "is_impossible"), "no", "question 1, has a str as is_impossible"),
        ((*QA, "question"), "", "question 1, has no question"),
        ((*QA, "question"), 7, "question 1, in the question, has a value of type int as text"),
        ((*QA, "id"), [7], "question 1, has a list as id"),
        (("title",), [7], "question 1, has a list as title"),
        (("paragraphs", 0, "context"), None, "question 1, has no context"),
        (("paragraphs", 0, "context"), "x" * 3_000_000, "question 1, in the context is a text of"),
        (QA, "Who?", "article 1, paragraph 1, has a str as question"),
        (("paragraphs", 0, "qas"), {}, "article 1, paragraph 1, has no list 'qas'"),
        (("paragraphs", 0), [], "article 1, paragraph 1, has no list 'qas'"),
        (("paragraphs",), None, "article 1, has no list 'paragraphs'"),
    ],
)
def test_bad_files(write, path, value, message):
    with pytest.raises(UserError, match=rf"dev\.json, .*{message}") as error:
        load_dataset(write(changed(path, value)), "answering")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "has no list 'data'"),
        ('{"data": []}', "dev holds no questions"),
        ("[]", "holds a JSON array"),
        ("{", "is not valid JSON"),
        (json.dumps({"data": [article(0, paragraphs=1)]}), "no two different articles or contexts"),
    ],
)
def test_files_without_data(tmp_path, content, message):
    (tmp_path / "dev.json").write_text(content)
    with pytest.raises(UserError, match=message):
        load_dataset(tmp_path / "dev.json", "answering")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_column": "context"}, "text_column does not apply to 'answering'"),
        ({"class_names": ["a"]}, "class_names does not apply to 'answering'"),
        ({"encoding": "cp1252"}, "leave out encoding"),
        ({"data_dir": "x"}, "data_dir does not apply"),
    ],
)
def test_options(write, options, message):
    with pytest.raises(UserError, match=message):
        load_dataset(write(article(0), article(1)), "answering", **options)


def test_other_files(tmp_path):
    for name in ("a.csv", "a.jsonl"):
        (tmp_path / name).write_text('{"question": "Who?"}\n')
    with pytest.raises(UserError, match=r"a\.csv cannot be read: expected SQuAD \.json"):
        load_dataset(tmp_path / "a.csv", "answering")
    with pytest.raises(UserError, match=r"a\.jsonl has no column 'context', only 'question'"):
        load_dataset(tmp_path / "a.jsonl", "answering")


def test_no_such_task(write):
    with pytest.raises(UserError, match="'ner' has no data sets: give one of classification, pai"):
        load_dataset(write(article(0)), "ner")
