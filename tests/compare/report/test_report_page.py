import base64
import errno
import html.parser
import itertools
import json
import os
import re
import struct
import subprocess
import sys

import pytest

from kerasformer.compare.report import write_report
from kerasformer.errors import UserError

FILES = (
    "table.md",
    "quality_vs_time.png",
    "learning_curves.png",
    "confusion_matrices.png",
    "report.html",
)
NASTY = "<script>alert(1)</script>"
TITLE = 'Fine-tuned "><img src=http://example.com/x.png>'


class Page(html.parser.HTMLParser):
    """What the tests ask of a page: tags, attributes, text, and whether every tag is closed."""

    VOID = ("meta", "img", "link", "br", "hr", "input", "source", "base")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def report(make_record, tmp_path_factory):
    """One report of awkward names, which most tests look at: its folder, files and page."""
    folder = tmp_path_factory.mktemp("reports") / "new" / "folder"
    record = make_record(seeds=(0, 1), class_names=(NASTY, "科学", "a & b"), n=400)
    record["arms"]["fine_tuned"]["title"] = TITLE
    record["settings"]["data"] = "my file's <data>.csv"
    files = write_report(record, folder)
    return folder, files, (folder / "report.html").read_text(encoding="utf-8")


def test_the_files_are_written_and_nothing_else(report):
    folder, files, _ = report
    assert [path.name for path in files] == list(FILES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_the_page_is_whole_and_self_contained(report):
    _, _, text = report
    page = Page(text)
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "base")
        for name in ("src", "href", "srcset", "data", "action"):
            assert attributes.get(name, "data:").startswith("data:")
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in text
    assert "@import" not in text


def test_plots_are_inlined_with_alternative_texts(report):
    folder, _, text = report
    images = Page(text).all("img")
    found = [base64.b64decode(image["src"].partition(",")[2]) for image in images]
    assert found == [(folder / name).read_bytes() for name in FILES[1:4]]
    assert all(len(image["alt"]) > 20 for image in images)


def test_plots_are_sharp_at_800_pixels(report):
    folder, _, _ = report
    for name in FILES[1:4]:
        content = (folder / name).read_bytes()
        width, height = struct.unpack(">II", content[16:24])
        assert width == 1440
        assert 300 < height < 4_000


def test_names_of_people_are_escaped(report):
    _, _, text = report
    shown = "".join(Page(text).text)
    for name in (NASTY, TITLE, "a & b", "科学"):
        assert name in shown
    assert "--data 'my file'\"'\"'s <data>.csv'" in shown


def test_the_page_tells_what_it_must(report):
    _, _, text = report
    shown = " ".join(" ".join(Page(text).text).split())
    for expected in (
        "rotten-tomatoes",
        "400 test texts, 3 classes",
        "test is the part of train whose hash is below 0.2.",
        "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
        "seed-to-seed spread",
        "sampling error of 400 test texts",
        "best arms of their kinds on this test split, which favours both a little.",
        "Latency of one text, ms",
        "learning_rate 5e-05",
        "keras 3.15.1",
        "cores 2",
        "kerasformer compare --data",
    ):
        assert expected in shown


def test_how_to_reproduce_it(make_record, tmp_path):
    record = make_record(arms=(), seeds=())
    record["settings"] = {"data": "a.csv", "text_column": "the text", "seeds": [0, 1]}
    write_report(record, tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "kerasformer compare --data a.csv --text-column 'the text' --seeds 2" in page.text


def test_the_heading_of_the_verdict_says_what_its_sentence_says(make_record, tmp_path):
    write_report(make_record(seeds=(0,)), tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Probably yes: Fine-tuned" in text
    assert ">The verdict<" in text


def test_errors_are_shown_escaped_and_cut(make_record, tmp_path):
    record = make_record()
    (run, *_) = record["arms"]["fine_tuned"]["runs"]
    error = {"true": NASTY, "predicted": "", "probability": 0.987}
    run["errors"] = [{"text": NASTY, **error}, {"text": "x" * 5_000, **error}]
    run["errors"].append({"text": "y", "true": "x" * 5_000, "predicted": "z", "probability": None})
    write_report(record, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert NASTY in page.text
    assert not page.all("script")
    assert "98.7" in page.text
    assert "x" * 301 not in text


def test_what_is_needed_to_reproduce_it_stands_behind_the_results(report):
    _, _, text = report
    assert text.index("0f16a3b4") > text.index("How to reproduce it") > text.index("Each class")


def test_the_note_to_the_curves_speaks_of_validation_where_there_is_one(make_record, tmp_path):
    record = make_record(arms=("scratch",), seeds=(0,))
    write_report(record, tmp_path)
    assert "overfit" in (tmp_path / "report.html").read_text(encoding="utf-8")
    for epoch in record["arms"]["scratch"]["runs"][0]["history"]:
        epoch |= {"val_loss": None, "val_score": None}
    write_report(record, tmp_path)
    assert "no validation split" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_headings_go_down_one_level_at_a_time(report):
    _, _, text = report
    levels = [int(tag[1]) for tag, _ in Page(text).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_many_classes_are_limited(make_record, tmp_path):
    names = [f"class {number} {'x' * 500}" for number in range(110)]
    record = make_record(arms=("tfidf",), seeds=(0,), class_names=names, n=600)
    write_report(record, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The 20 classes of 110 that" in re.sub(r"\s+", " ", text)
    assert "x" * 81 not in text


@pytest.mark.parametrize("arms", [(), ("majority",)])
def test_next_to_nothing_finished(make_record, tmp_path, arms):
    record = make_record(arms=arms, seeds=(0,))
    record["status"] = "interrupted"
    record["settings"]["arms"] = ["majority", "fine_tuned"]
    assert len(write_report(record, tmp_path)) == 5
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    shown = "".join(page.text)
    assert "Interrupted run" in shown
    assert "No answer" in shown
    assert "fine_tuned" in shown


def test_a_run_that_failed_says_why(make_record, tmp_path):
    record = make_record(arms=("majority",), seeds=(0,))
    record |= {"status": "failed", "error": {"arm": "<Tuned>", "message": "The loss is nan."}}
    write_report(record, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Failed run" in text
    assert "&lt;Tuned&gt; failed (The loss is nan.); what had finished by then is shown." in text
    with pytest.raises(UserError, match="damaged"):
        write_report(record | {"error": "no dict"}, tmp_path)


def test_undefined_numbers_are_dashes(make_record, tmp_path):
    record = make_record(arms=("scratch",), seeds=(0,))
    run = record["arms"]["scratch"]["runs"][0]
    run["metrics"] |= {"f1": None, "loss": None}
    run |= {"latency_ms": None, "train_seconds": None}
    run["parameters"] = {"trainable": None, "total": None}
    write_report(json.loads(json.dumps(record)), tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ">–<" in text
    assert not re.search(r">\s*(nan|None|inf)\b", text)


def test_a_bad_record_writes_nothing(make_record, tmp_path):
    record = make_record(arms=("tfidf",), seeds=(0,))
    del record["versions"]
    with pytest.raises(UserError, match="lacks versions"):
        write_report(record, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["jinja2", "matplotlib.figure"])
def test_a_missing_extra_is_named_and_writes_nothing(make_record, tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=r"kerasformer\[compare\]"):
        write_report(make_record(arms=(), seeds=()), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_files(make_record, tmp_path, monkeypatch):
    (tmp_path / "table.md").write_text("old")

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UserError, match="No space left on device"):
        write_report(make_record(arms=(), seeds=()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]
    assert (tmp_path / "table.md").read_text() == "old"


def test_a_folder_that_is_a_file(make_record, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_report(make_record(arms=(), seeds=()), tmp_path / "taken")


def test_importing_the_report_loads_nothing_heavy():
    code = "import sys, kerasformer.compare.report; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "matplotlib", "jinja2", "tensorflow", "keras"} & set(loaded)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            "pairs",
            [
                "1,600 train, 200 validation, 400 test pairs, 2 classes",
                "Split Examples Class counts train 1,600 negative: 800; positive: 800",
                "Pairs that Fine-tuned all-MiniLM-L6-v2 got wrong",
                "plain averages over classes",
            ],
        ),
        (
            "tagging",
            [
                "400 test sentences, 5 tags",
                "Split Examples Words Tag counts train 1,600 19,200 O: 1,280; B-person: 1,280;",
                "Sentences that Fine-tuned all-MiniLM-L6-v2 got wrong",
                "Sentence True Given Probability, %",
                "Ada (person), Rome (place) – 99.0",
                "compared sentence by sentence",
                "Table 7 of the BERT paper",
                "Concatenation of last four hidden layers",
                "An entity is right where",
                "Latency of one sentence, ms",
            ],
        ),
        (
            "answering",
            [
                "400 test questions.",
                "Split Examples Contexts Articles Unanswerable train 1,600 320 3 0",
                "Question True Given Probability, % text 0, of which nobody knows in Rome no",
                "exact match is the share of equal answers",
                "says by how much. Questions about one article are alike, so with few articles (3",
                "points F1 with pretraining",
            ],
        ),
    ],
)
def test_the_page_of_every_task(make_record, tmp_path, task, expected):
    files = [path.name for path in write_report(make_record(task=task, n=400), tmp_path)]
    assert ("confusion_matrices.png" in files) is (task == "pairs")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert len(page.all("img")) == len(files) - 2
    shown = " ".join(" ".join(page.text).replace("\xa0", " ").split())
    for text in expected:
        assert text in shown
    assert ("Which classes are confused" in shown) is (task == "pairs")
    assert ("Table 7" in shown) is (task == "tagging")


def test_names_of_tags_and_answers_are_escaped(make_record, tmp_path):
    record = make_record(task="tagging", seeds=(0,), n=60, class_names=("O", f"B-{NASTY}"))
    run = record["arms"]["fine_tuned"]["runs"][0]
    run["errors"][0] |= {"true": NASTY, "predicted": NASTY}
    write_report(record, tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert not page.all("script")
    assert sum(NASTY in text for text in page.text) > 3
    assert "<script" not in (tmp_path / "table.md").read_text(encoding="utf-8")
