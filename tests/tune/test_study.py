"""The trials of a search in their file: kept, torn, damaged, pruned."""

import json
import pickle

import numpy as np
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._base import BaseJournalSnapshot

from kerasformer.errors import UserError
from kerasformer.tune.progress import Budget
from kerasformer.tune.space import Bounds, Space
from kerasformer.tune.study import JOURNAL, Study, falls

RECIPE = {"learning_rate": 1e-4, "batch_size": 32, "epochs": 2, "warmup_ratio": 0.1}
BOUNDS = Space().around({"all": RECIPE, "head": {**RECIPE, "epochs": 10}}, blocks=4)


def run(study, value, epochs=4, outcome="complete"):
    trial, choice = study.ask()
    for epoch, one in enumerate(value if isinstance(value, list) else [value], start=1):
        if study.report(trial, epoch, epochs, one):
            outcome = "pruned"
            break
    told = value if isinstance(value, list) else [value]
    return study.tell(trial, outcome, told[:epoch], seconds=1.0), choice


@pytest.fixture
def study(tmp_path):
    found = Study(tmp_path, BOUNDS, seed=0)
    found.metric = "accuracy"
    return found


def test_the_first_trial_is_the_default_and_the_draws_follow_from_the_seed(study, tmp_path):
    choices = [run(study, value)[1] for value in (0.5, 0.6, 0.7, 0.4)]
    assert vars(choices[0]) == {"trained": "all", **RECIPE}
    for name, other in (("same", 0), ("other", 1)):
        (tmp_path / name).mkdir()
        again = Study(tmp_path / name, BOUNDS, seed=other)
        drawn = [run(again, value)[1] for value in (0.5, 0.6, 0.7, 0.4)]
        assert (drawn == choices) is (name == "same")


def test_a_killed_trial_is_asked_for_again(study, tmp_path):
    ended = [run(study, 0.5)[0], run(study, 0.6)[0]]
    _, begun = study.ask()
    for _ in range(2):  # killed twice
        again = Study(tmp_path, BOUNDS, seed=0)
        assert again.trials == ended
        assert again.metric == "accuracy"
        assert again.ask()[1] == begun
    assert run(Study(tmp_path, BOUNDS, seed=0), 0.7)[0]["trial"] == 3


def test_killed_before_the_default_is_tried_it_comes_first_all_the_same(study, tmp_path):
    study.ask()
    _, choice = Study(tmp_path, BOUNDS, seed=0).ask()
    assert vars(choice) == {"trained": "all", **RECIPE}


def test_the_best_is_the_highest_or_of_a_loss_the_lowest(study, tmp_path):
    for value in (0.5, 0.9, 0.9, 0.1):
        run(study, value)
    run(study, 2.0, outcome="diverged")
    assert study.best["trial"] == 2
    assert study.trials[-1]["value"] is None
    (tmp_path / "loss").mkdir()
    other = Study(tmp_path / "loss", BOUNDS, seed=0)
    other.metric = "loss"
    for value in (0.5, 0.9, 0.1):
        run(other, value)
    assert other.best["trial"] == 3
    assert [falls(name) for name in ("loss", "mse", "f1", "spearman")] == [True, True, False, False]


def test_what_is_worse_than_the_median_at_the_same_part_of_the_training_is_pruned(study):
    for _ in range(5):
        assert run(study, [0.6, 0.7, 0.8, 0.9], epochs=4)[0]["outcome"] == "complete"
    assert run(study, [0.7, 0.8], epochs=2)[0]["outcome"] == "complete"
    assert run(study, [0.6, 0.8], epochs=2)[0] == {
        **study.trials[-1], "outcome": "pruned", "validation": [0.6], "value": 0.6,
    }  # fmt: skip
    # As good at each eighth as at the same quarter of the others.
    assert run(study, list(np.linspace(0.55, 0.9, 8)), epochs=8)[0]["outcome"] == "complete"
    assert run(study, [0.1], epochs=1)[0]["outcome"] == "complete"  # nothing is left to save


def test_nothing_of_it_is_pickled(study, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("pickled")

    for name in ("dump", "dumps", "load", "loads"):
        monkeypatch.setattr(pickle, name, refuse)
    for value in (0.5, 0.6):
        run(study, value)
    Study(tmp_path, BOUNDS, seed=0)
    for line in (tmp_path / JOURNAL).read_text().splitlines():
        assert isinstance(json.loads(line), dict)
    # Of which JournalStorage would pickle snapshots.
    assert not issubclass(JournalFileBackend, BaseJournalSnapshot)


def test_a_line_that_a_kill_tore_off_is_dropped(study, tmp_path):
    ended = [run(study, value)[0] for value in (0.5, 0.6)]
    path = tmp_path / JOURNAL
    with open(path, "ab") as stream:
        stream.write(b'{"op_code":4,"worker_')
    (tmp_path / f"{JOURNAL}.lock").touch()  # which it also leaves
    again = Study(tmp_path, BOUNDS, seed=0)
    assert again.trials == ended
    assert run(again, 0.7)[0]["trial"] == 3
    assert Study(tmp_path, BOUNDS, seed=0).trials == again.trials


def test_a_damaged_file_is_one_sentence(study, tmp_path):
    for value in (0.5, 0.6):
        run(study, value)
    path = tmp_path / JOURNAL
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(60):
        content = bytearray(whole)
        place = int(rng.integers(len(content)))
        if rng.random() < 0.5:
            content[place] = int(rng.integers(256))
        else:
            del content[place : place + int(rng.integers(1, 200))]
        path.write_bytes(content)
        try:
            Study(tmp_path, BOUNDS, seed=0)
        except UserError as error:
            assert "study.jsonl" in str(error)  # noqa: PT017
            refused += 1
    assert refused > 20
    for content in (b"[]\n", b'{"op_code": 99}\n', b"\xff\n", b"{}\n", b"1\n"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"is damaged .*: start a new search"):
            Study(tmp_path, BOUNDS, seed=0)


def test_budget(monkeypatch):
    def trials(count):
        return [{"seconds": 30.0}] * count

    assert [Budget(3, None).allows(trials(n), 0) for n in (0, 2, 3)] == [True, True, False]
    assert Budget(None, 0.25).allows(trials(1), since=1)  # of an earlier process
    assert not Budget(None, 0.25).allows(trials(1), since=0)  # would end after the time
    assert Budget(None, 5).allows(trials(1), since=0)
    assert not Budget(1, 5).allows(trials(1), since=0)


def test_the_bounds_hold_the_defaults_and_what_is_drawn(study):
    for kind, recipe in BOUNDS.recipes.items():
        for name, value in recipe.items():
            values = BOUNDS.values[kind][name]
            assert value in values or values[0] <= value <= values[-1]
    assert BOUNDS.trained == ("all", "2", "head")
    seen = set()
    for value in np.linspace(0, 1, 12):
        _, choice = run(study, float(value))
        kind = "head" if choice.trained == "head" else "all"
        low, high = BOUNDS.values[kind]["learning_rate"]
        assert low <= choice.learning_rate <= high
        assert choice.batch_size in BOUNDS.values[kind]["batch_size"]
        low, high = BOUNDS.values[kind]["epochs"]
        assert low <= choice.epochs <= high
        assert 0 <= choice.warmup_ratio <= 0.3
        seen.add(choice.trained)
    assert seen == {"all", "2", "head"}


def test_the_default_moves_into_bounds_that_a_person_gave():
    space = Space(learning_rate=(1e-3, 1e-2), batch_size=(4, 48), epochs=(5,), trained=("head",))
    bounds = space.around({"all": RECIPE, "head": RECIPE}, blocks=4)
    assert Bounds.choice(bounds.default()).changes == {
        "learning_rate": 1e-3, "batch_size": 48, "epochs": 5, "warmup_ratio": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rate": (0.0, 1e-3)}, "learning_rate is 0.0 0.001: expected numbers above 0"),
        ({"learning_rate": (1e-3, 1e-4)}, "expected the lowest and the highest value, or one"),
        ({"epochs": (1, 2, 3)}, "epochs is 1 2 3: expected the lowest and the highest"),
        ({"epochs": (1.5,)}, "epochs is 1.5: expected whole numbers of at least 1"),
        ({"batch_size": ()}, "batch_size is empty"),
        ({"warmup_ratio": (0.0, 1.1)}, "warmup_ratio is 0.0 1.1: expected numbers from 0 to 1"),
        ({"trained": ("tail",)}, "trained is 'tail': expected all, head"),
        ({"trained": ("0",)}, "trained is '0'"),
    ],
)
def test_bounds_that_are_none(given, message):
    with pytest.raises(UserError, match=message):
        Space(**given)
