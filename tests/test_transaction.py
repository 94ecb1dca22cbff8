"""Several files saved as one step: killed wherever it may be, a save leaves the old or the new."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from kerasformer import transaction
from kerasformer.errors import UserError
from kerasformer.transaction import JOURNAL, finish_saving, saving

from .kills import in_a_child

NAMES = ("config.json", "model.safetensors", "1_Dense/model.safetensors", "tokenizer.json")
STALE = "model-00001-of-00002.safetensors"
OBSOLETE = ["model-*-of-*.safetensors", "*.safetensors"]


def save(folder, content, names=NAMES):
    with saving(folder, "config.json", OBSOLETE) as new:
        for name in names:
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_text(f"{name} {content}")


def listing(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def files(content, names=NAMES):
    return {name: f"{name} {content}" for name in names}


def test_a_save_killed_at_any_step_leaves_the_old_or_the_new(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # costs time, and a kill loses nothing of it
    seen = []
    for step in range(1, 200):
        folder = tmp_path / str(step)
        save(folder, "old")
        (folder / "notes.txt").write_text("mine")
        (folder / STALE).write_text("a shard")
        old = files("old") | {"notes.txt": "mine", STALE: "a shard"}
        new = files("new") | {"notes.txt": "mine"}
        status = in_a_child(lambda folder=folder: save(folder, "new"), step, folder)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        left = listing(folder)
        if "config.json" in left:  # what a program that knows no journal reads is one model too
            assert len({left[name].split()[1] for name in NAMES}) == 1
        finish_saving(folder)
        left = listing(folder)
        visible = {name: text for name, text in left.items() if not name.startswith(".")}
        assert visible in (old, new)
        seen.append(visible == new)
        save(folder, "newest")
        assert listing(folder) == files("newest") | {"notes.txt": "mine"}
        assert not list(folder.glob(".*"))
    assert status == 0
    assert seen == sorted(seen)  # the commit is one step
    assert seen.count(False) > 10
    assert seen.count(True) > 10


def test_finishing_is_killed_at_any_step_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for step in range(1, 200):
        folder = tmp_path / str(step)
        committed(folder)
        status = in_a_child(lambda folder=folder: finish_saving(folder), step, folder)
        finish_saving(folder)
        assert listing(folder).items() >= files("new").items()
        assert not (folder / JOURNAL).exists()
        if status == 0:
            break
    assert status == 0
    assert step > 5


def committed(folder):
    """A folder whose save was killed right behind its commit."""
    save(folder, "old")

    def begin():
        original = transaction._finish

        def finish(folder):
            if (folder / JOURNAL).exists():
                os.kill(os.getpid(), signal.SIGKILL)
            original(folder)

        transaction._finish = finish
        save(folder, "new")

    assert in_a_child(begin) == -signal.SIGKILL
    assert (folder / JOURNAL).is_file()


def test_a_part_of_a_folder_saved_as_a_whole_is_finished_too(tmp_path):
    committed(tmp_path)
    finish_saving(tmp_path / "1_Dense")
    assert listing(tmp_path) == files("new")


def test_a_read_only_folder_with_a_save_cut_off_is_refused(tmp_path, monkeypatch):
    committed(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as root, all can be written to
    with pytest.raises(UserError, match="save that was cut off, and cannot be written to"):
        finish_saving(tmp_path)


def test_what_a_save_has_lost_is_told_and_saved_over(tmp_path):
    committed(tmp_path)
    (staging,) = tmp_path.glob(".saving-*")
    (staging / "tokenizer.json").write_text("short")
    with pytest.raises(UserError, match=r"tokenizer\.json of it is missing or changed"):
        finish_saving(tmp_path)
    save(tmp_path, "newest")
    assert listing(tmp_path) == files("newest")


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"../outside": 3}},
        {"files": {"/etc/hostname": 3}},
        {"remove": ["../outside"]},
        {"last": ["link/outside"]},
        {"files": {"link/outside": 4}},
        {"staging": "../.saving-0123456789abcdef"},
        {"staging": None},
        {"files": []},
        {"remove": [3]},
    ],
    ids=str,
)
def test_a_journal_is_data(tmp_path, change):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "outside").write_text("mine")
    (folder / "link").symlink_to(tmp_path)
    sound = {"staging": ".saving-0123456789abcdef", "remove": [], "files": {}, "last": []}
    (folder / JOURNAL).write_text(json.dumps(sound | change))
    with pytest.raises(UserError, match="is no record of a save"):
        finish_saving(folder)
    assert (tmp_path / "outside").read_text() == "mine"


def test_an_error_leaves_the_old_files(tmp_path):
    save(tmp_path, "old")
    for folder in (tmp_path, tmp_path / "other"):
        with pytest.raises(TypeError), saving(folder, "config.json") as new:
            (new / "config.json").write_text(None)
    assert listing(tmp_path) == files("old")
    assert not (tmp_path / "other").exists()


def test_a_folder_in_the_place_of_a_file(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UserError, match=r"where config\.json is a folder"):
        save(tmp_path, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_file_in_the_place_of_a_folder(tmp_path):
    save(tmp_path, "old", NAMES[:2])
    (tmp_path / "1_Dense").write_text("mine")
    with pytest.raises(UserError, match="where 1_Dense is a file"):
        save(tmp_path, "new")
    assert listing(tmp_path) == files("old", NAMES[:2]) | {"1_Dense": "mine"}


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch, place):
    save(tmp_path, "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, place, full)
    with pytest.raises(UserError, match=r"^Cannot save to .*No space left .* disk with room\.$"):
        save(tmp_path, "new")
    assert listing(tmp_path) == files("old")


def test_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in ("old", "new"):
        save(Path("."), content)
    assert listing(tmp_path) == files("new")


def test_two_writers_take_turns(tmp_path):
    def repeat(content):
        for number in range(6):
            save(tmp_path, f"{content}-{number}")

    threads = [threading.Thread(target=repeat, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    statuses = [in_a_child(lambda name=name: repeat(name)) for name in "de"]
    for thread in threads:
        thread.join()
    assert statuses == [0, 0]
    left = listing(tmp_path)
    assert len({text.split()[1] for text in left.values()}) == 1
    assert left.keys() == set(NAMES)


def test_a_writer_that_waits_too_long_gets_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(transaction, "_PATIENCE", 0.01)
    with saving(tmp_path, "config.json"), pytest.raises(UserError, match="Another save is writing"):
        save(tmp_path, "new")


def test_random_kills(tmp_path):
    """Beside those at each step: at any time."""
    save(tmp_path, "0-old")
    for number in range(20):
        child = os.fork()
        if child == 0:
            while True:
                for content in ("a", "b"):
                    save(tmp_path, f"{number}-{content}")
        time.sleep(0.02 + 0.001 * number)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        finish_saving(tmp_path)
        assert len({(tmp_path / name).read_text().split()[1] for name in NAMES}) == 1
    save(tmp_path, "last")
    assert listing(tmp_path) == files("last")
