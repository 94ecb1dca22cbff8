"""What the comparison prints for people to run: commands and programs."""

import json
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import kerasformer.compare
from kerasformer.cli import _parser, main
from kerasformer.cli.options import TASKS
from kerasformer.compare import Settings, arms_of, compare, runner
from kerasformer.compare.inputs import load_data
from kerasformer.compare.report import load_record
from kerasformer.compare.settings import DTYPES
from kerasformer.errors import UserError

COUNT = st.none() | st.integers(1, 10**6)


def of_task(task):
    """Settings of a comparison for a task."""
    return st.fixed_dictionaries(
        {
            "task": st.just(task),
            "data": st.sampled_from(
                ["rotten-tomatoes", "my file's <data>.csv", "tfds:ag_news_subset"]
            ),
            "text_column": st.none() | st.just("the text"),
            "header": st.none() | st.booleans(),
            "delimiter": st.none() | st.just(";"),
            "encoding": st.none() | st.just("cp1252"),
            "arms": st.none()
            | st.lists(st.sampled_from(list(arms_of(task))), min_size=1, unique=True),
            "seeds": st.none() | st.integers(1, 5) | st.lists(st.integers(0, 9), min_size=1),
            "minutes": st.none() | st.sampled_from([0.5, 8, 20]),
            "limit": COUNT,
            "test_limit": COUNT,
            "epochs": COUNT,
            "dtype": st.sampled_from([None, *DTYPES]),
            "keep_models": st.booleans(),
            "quick": st.booleans(),
        }
    )


SETTINGS = st.sampled_from(TASKS).flatmap(of_task)


def parsed(command, monkeypatch):
    """The settings that a command would run with."""
    words = shlex.split(command)
    if words[0] == "kerasformer":
        options = vars(_parser().parse_args(words[1:]))
        del options["run"]
        return Settings.make(**options)
    assert words[:2] == ["python", "-c"]
    found = {}
    monkeypatch.setattr(kerasformer.compare, "compare", found.update, raising=False)
    exec(words[2], {})
    return Settings.make(**found)


@hypothesis_settings(max_examples=100, deadline=None)
@given(SETTINGS)
def test_the_command_runs_with_the_same_settings(values):
    if values["test_limit"] and not (values["limit"] or values["quick"]):
        with pytest.raises(UserError, match="without a limit"):
            Settings.make(**values)
        return
    settings = Settings.make(**values)
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert parsed(settings.command(), monkeypatch) == settings


@pytest.mark.parametrize(
    ("values", "command"),
    [
        ({}, "kerasformer compare --data rotten-tomatoes"),
        ({"quick": True}, "kerasformer compare --data rotten-tomatoes --quick"),
        (
            {"task": "tagging", "data": "a.conll", "arms": ["scratch"]},
            "kerasformer compare --task tagging --data a.conll --arms scratch",
        ),
        (
            {"data": "a.csv", "arms": ["tfidf", "scratch"], "seeds": 2},
            "kerasformer compare --data a.csv --arms tfidf scratch --seeds 2",
        ),
    ],
)
def test_the_command_says_no_more_than_it_must(values, command):
    assert Settings.make(**values).command() == command


def test_paths_are_those_of_any_folder_and_names_stay_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("films.csv", "model", "bert.ckpt.index", "imdb", "all-MiniLM-L6-v2"):
        Path(name).touch()
    for data, pretrained in (("films.csv", "model"), (Path("films.csv"), "./bert.ckpt")):
        made = Settings.make(data=data, pretrained=pretrained)
        assert made.data == str(tmp_path / "films.csv")
        assert made.pretrained == str(tmp_path / pretrained)
        assert f"--data {tmp_path / 'films.csv'}" in made.command()
    for data, pretrained in (("imdb", "all-MiniLM-L6-v2"), ("tfds:ag_news", "hf://owner/name")):
        named = Settings.make(data=data, pretrained=pretrained)
        assert (named.data, named.pretrained) == (data, pretrained)


def test_the_command_runs(reviews, tmp_path):
    first = compare(data=str(reviews), arms=["majority"], seeds=1, output=tmp_path / "first")
    command = Settings.make(**load_record(first)["settings"]).command()
    assert main([*shlex.split(command)[1:], "--output", str(tmp_path / "again")]) == 0
    again = load_record(tmp_path / "again")
    for key in ("settings", "data"):
        assert again[key] == load_record(first)[key]


def test_every_option_that_a_text_names_exists():
    known = set(re.findall(r"--[a-z-]+", _parser().format_help()))
    commands = next(action for action in _parser()._actions if action.dest == "==SUPPRESS==")
    known |= set(re.findall(r"--[a-z-]+", commands.choices["compare"].format_help()))
    for path in Path(kerasformer.compare.__file__).parent.rglob("*"):
        if path.suffix in (".py", ".j2"):
            named = re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text(encoding="utf-8"))
            named = [name for name in named if not re.match(r"--(ink|soft|paper|tone)", name)]
            assert set(named) <= known, path


@pytest.mark.parametrize(("task", "noun"), [("classification", "texts"), ("tagging", "sentences")])
def test_quick_refuses_data_of_more_kinds_than_it_trains_on(reviews, tagged, task, noun):
    data = {"classification": reviews, "tagging": tagged}[task]
    settings = Settings.make(data=str(data), task=task, quick=True, limit=1, test_limit=1)
    message = f"^--quick trains on about 1 {noun}, too few for one of each kind in .* --limit [2-9]"
    with pytest.raises(UserError, match=message):
        load_data(settings)


def test_quick_keeps_the_test_split_whole(tmp_path):
    lines = [f"{'fine' if i % 2 else 'dull'} film {i},{i % 2}" for i in range(3_000)]
    (tmp_path / "films.csv").write_text("\n".join(["text,label", *lines]))
    data = str(tmp_path / "films.csv")
    whole, quick = (
        load_data(Settings.make(data=data)),
        load_data(Settings.make(data=data, quick=True)),
    )
    assert len(quick.train) == 800
    assert quick.test.texts == whole.test.texts
    capped = load_data(Settings.make(data=data, limit=100, test_limit=50))
    assert (len(capped.train), len(capped.test)) == (100, 50)
    assert list(capped.splits) == list(whole.splits)


@pytest.mark.parametrize("task", ["pairs", "tagging", "answering"])
def test_the_data_of_every_task_is_limited(task, pairs, tagged, asked):
    data = str({"pairs": pairs, "tagging": tagged, "answering": asked}[task])
    whole, quick, limited, capped = (
        load_data(Settings.make(task=task, data=data, **options))
        for options in ({}, {"quick": True}, {"limit": 20}, {"limit": 12, "test_limit": 6})
    )
    assert quick.fingerprint() == whole.fingerprint()  # smaller than what that asks for
    assert 15 <= sum(map(len, limited.splits.values())) <= 25
    assert 9 <= len(capped.train) <= 15
    assert 4 <= len(capped.test) <= 9
    assert list(capped.splits) == list(whole.splits)


def test_quick_with_too_many_tags_speaks_of_sentences(tmp_path):
    rows = [f"word{i} B-{i}" for i in range(900) for _ in range(3)]
    rows = [f"{row}\nat O\n{n} O" for n, row in enumerate(rows)]
    (tmp_path / "many.conll").write_text("\n\n".join(rows))
    with pytest.raises(UserError, match=r"--quick trains on about 800 sentences, .* --limit 900"):
        load_data(Settings.make(task="tagging", data=str(tmp_path / "many.conll"), quick=True))


def test_layers_are_not_chosen_on_one_sentence(tmp_path):
    for name, rows in (("train", "Ada B-person\ncodes O"), ("test", "Ada B-person\nsings O")):
        (tmp_path / f"{name}.conll").write_text("\n\n".join([rows] * 4))
    given = {"task": "tagging", "data": str(tmp_path)}
    with pytest.raises(UserError, match="no two different sentences, so no validation split"):
        load_data(Settings.make(**given))
    assert len(load_data(Settings.make(**given, arms=["frequent_tag", "fine_tuned"])).train) == 4


def test_questions_without_any_answer_are_not_compared(asked, tmp_path):
    content = json.loads(asked.read_text())
    for article in content["data"]:
        for question in article["paragraphs"][0]["qas"]:
            question |= {"answers": [], "is_impossible": True}
    (tmp_path / "none.json").write_text(json.dumps(content | {"version": "v2.0"}))
    with pytest.raises(UserError, match=r"^No training question of none has an answer, so there"):
        load_data(Settings.make(task="answering", data=str(tmp_path / "none.json")))


def test_a_record_says_which_questions_are_of_one_article(asked, tagged):
    settings = Settings.make(task="answering", data=str(asked))
    dataset = load_data(settings)
    groups = runner._new_record(settings, dataset, None)["test_groups"]
    titles = dataset.test.titles
    assert len(set(titles)) > 1
    assert groups == [list(dict.fromkeys(titles)).index(title) for title in titles]
    settings = Settings.make(task="tagging", data=str(tagged))
    assert runner._new_record(settings, load_data(settings), None)["test_groups"] is None


def test_every_arm_of_every_task_has_a_class_that_learns_or_does_not():
    for task in TASKS:
        for arm in arms_of(task).values():
            method = arm.load()
            assert hasattr(method, "code") is hasattr(method, "imports") is arm.learns
            floors = ("majority", "tfidf", "frequent_tag", "sliding_window")
            assert hasattr(method, "task") is (arm.key not in floors)


def test_the_arms_of_a_task_look_different():
    """In colour, which is of Okabe and Ito, and without."""
    for task in TASKS:
        arms = arms_of(task).values()
        for looks in ("color", "marker", "title"):
            assert len({getattr(arm, looks) for arm in arms}) == len(arms)


def test_quick_with_too_many_classes_speaks_of_itself(tmp_path):
    rows = [f"text {i} of it {n},class{i}" for i in range(900) for n in range(3)]
    (tmp_path / "many.csv").write_text("\n".join(["text,label", *rows]))
    with pytest.raises(UserError, match=r"--quick trains on about 800 .* add --limit 900 or more"):
        compare(data=str(tmp_path / "many.csv"), quick=True, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_record_of_many_classes_is_small(tmp_path):
    rows = [f"text {i} of it {n},class{i}" for i in range(500) for n in range(3)]
    (tmp_path / "many.csv").write_text("\n".join(["text,label", *rows]))
    folder = compare(
        data=str(tmp_path / "many.csv"), arms=["majority"], seeds=1, output=tmp_path / "out"
    )
    assert (folder / "record.json").stat().st_size < 100_000
