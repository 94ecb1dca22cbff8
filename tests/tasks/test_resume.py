"""A training that is ended at any moment and goes on ends as if it had not been."""

import errno
import functools
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.files import locked
from kerasformer.tasks import TextClassifier
from kerasformer.tasks.task import Task
from kerasformer.text import WordTokenizer
from kerasformer.training import resume
from kerasformer.training.checkpoint import CheckpointFolder, pending

from . import resumed
from .resumed import SUBJECTS, Moments, make


class KilledError(Exception):
    pass


class Texts(list):
    """Texts that are the key of what was computed of them."""

    def __hash__(self):
        return hash(tuple(self))


def kill():
    raise KilledError


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables]


def assert_same(model, history, expected):
    weights, logged, epochs = expected
    for one, other in zip(arrays(model.variables), weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert history.history == logged
    assert history.epoch == epochs


class Trained:
    """A model that was trained without an interruption, and can be made anew without tracing."""

    def __init__(self, name):
        self.name, self.subject, self.model = name, SUBJECTS[name], make(name)
        self.compile, self.optimizer = Task._compile_for_fit, None
        self.features = functools.cache(TextClassifier._features)  # of as many texts
        self.first = arrays(self.model.variables)
        history = self.fit(self.model)
        self.expected = arrays(self.model.variables), dict(history.history), list(history.epoch)

    @property
    def takes_two_optimizers(self):
        return "recipe" in self.subject.options and self.subject.options["recipe"].head_epochs > 0

    def fit(self, *args):
        def compile_once(task, *args):
            if self.optimizer is None or self.takes_two_optimizers:
                self.compile(task, *args)
                task.optimizer.build(task.trainable_variables)
                self.optimizer = arrays(task.optimizer.variables)
            if not self.takes_two_optimizers:
                assign(task.optimizer.variables, self.optimizer)

        def features(task, texts, verbose):
            return self.features(task, Texts(texts))

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Task, "_compile_for_fit", compile_once)
            patched.setattr(TextClassifier, "_features", features)
            return self.subject.fit(*args)

    def anew(self):
        if self.takes_two_optimizers:
            self.model = make(self.name)
            return self.model
        assign(self.model.variables, self.first)
        assign(self.model.optimizer.variables, [value + 1 for value in self.optimizer])
        return self.model


@pytest.fixture(scope="module")
def trained(request):
    return Trained(request.param)


def assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@pytest.mark.parametrize("trained", SUBJECTS, indirect=True)
def test_interrupted_at_random_moments_ends_the_same(trained, tmp_path, monkeypatch):
    rng = np.random.default_rng(list(trained.name.encode()))
    monkeypatch.setattr(resume.Checkpoints, "_is_due", lambda *_: rng.random() < 0.6)
    write = CheckpointFolder.write
    interrupted, most = 0, trained.subject.interruptions
    for number in range(99):
        folder, ended = tmp_path / str(number), False
        while not ended:
            moments = Moments(int(rng.integers(1, 16)) if interrupted < most else 0, kill)

            def write_or_not(folder, *args, moments=moments):
                moments.pass_by()
                write(folder, *args)
                moments.pass_by()

            monkeypatch.setattr(CheckpointFolder, "write", write_or_not)
            try:
                history = trained.fit(trained.anew(), folder, [moments])
                ended = True
            except KilledError:
                interrupted += 1
        assert_same(trained.model, history, trained.expected)
        assert len(list(folder.glob("checkpoint-*"))) <= 2
        history = trained.fit(trained.anew(), folder, [Moments(1, kill)])  # is over
        assert_same(trained.model, history, trained.expected)
        if interrupted >= most:
            return


KILLED = ["scratch", "tuned", "frozen"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folders of trainings that were killed twice, where a kill leaves no time for anything."""
    folders, runs = {}, []
    for name in KILLED:
        rng = np.random.default_rng(list(name.encode()))
        folders[name] = folder = str(tmp_path_factory.mktemp(name) / "run")
        runs.append((name, folder, "moment", int(rng.integers(5, 15))))
        runs.append((name, folder, "file", int(rng.integers(20, 40))))
    command = [sys.executable, resumed.__file__, json.dumps(runs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.stdout.split() == [str(int(-signal.SIGKILL))] * len(runs), done.stderr
    return folders


@pytest.mark.parametrize("trained", KILLED, indirect=True)
def test_killed_ends_the_same(trained, killed):
    history = trained.fit(trained.anew(), killed[trained.name])
    assert_same(trained.model, history, trained.expected)


@pytest.fixture
def often(monkeypatch):
    """Checkpoints are written at every step."""
    monkeypatch.setattr(resume.Checkpoints, "_is_due", lambda *_: True)


def fit(folder, model=None, texts=resumed.TEXTS, at=0, end=kill, **options):
    """A short training that ends at a moment; with no steps of TensorFlow's own to trace."""
    model = make("scratch") if model is None else model
    options = {"epochs": 2, "batch_size": 6, "verbose": 0, "resume": folder} | options
    callbacks = [Moments(at, end), *options.pop("callbacks", [])]
    return model.fit(texts, resumed.LABELS[: len(texts)], callbacks=callbacks, **options)


def interrupted(folder, **options):
    with pytest.raises(KilledError):
        fit(folder, at=6, **options)


CHANGES = [
    ({"learning_rate": 1e-2}, "whose learning_rate is 0.001, and not 0.01"),
    ({"seed": 7}, "whose seed is 0, and not 7"),
    ({"epochs": 3}, "whose epochs is 2, and not 3"),
    ({"texts": resumed.TEXTS[:-1]}, "whose training data is not the same"),
    ({"shuffle": False}, "whose shuffle is True, and not False"),
    ({"validation_split": 0.2}, "whose training data is not the same"),
    ({"callbacks": resumed.lowering()}, "whose ReduceLROnPlateau 0.cooldown is None, and not 0"),
]


@pytest.mark.usefixtures("eager")
def test_a_change_is_refused(tmp_path, monkeypatch):
    interrupted(tmp_path)
    for options, message in CHANGES:
        with pytest.raises(UserError, match=f"{tmp_path} holds a training {message}: give the"):
            fit(tmp_path, **options)
    model = resumed.scratch(name="other")  # which changes nothing
    fit(tmp_path, model)
    other = resumed.TransformerClassifier(["good", "bad"], 60, 8, 8)
    with pytest.raises(UserError, match=r"whose class_names is .*, and not"):
        fit(tmp_path, other)
    with pytest.raises(UserError, match="whose tokenizer is not the same"):
        fit(tmp_path, resumed.scratch(tokenizer=WordTokenizer.train(["other words"])))
    monkeypatch.setattr(keras, "__version__", "9.9.9")
    with pytest.raises(UserError, match=r"whose keras is .*, and not '9.9.9'"):
        fit(tmp_path)


@pytest.mark.usefixtures("eager")
def test_another_frozen_encoder_is_refused(tmp_path):
    interrupted(tmp_path, model=make("frozen"))
    other = make("frozen")
    weight = other.encoder.weights[0]
    weight.assign(weight + 1)
    with pytest.raises(UserError, match="had other weights that are not trained"):
        fit(tmp_path, other)
    names = set(CheckpointFolder(tmp_path).newest().tensors)
    kept = [name for name in names if name.startswith("model.")]
    assert len(kept) < len(other.encoder.weights)  # the head's, and random states


@pytest.mark.usefixtures("eager")
def test_another_pretrained_encoder_of_the_same_shape_is_refused(tmp_path):
    """Its weights are trained, so those of the checkpoint would be taken for them."""
    for name, change in (("one", 0), ("other", 1)):
        encoder = resumed.encoder()
        bias = encoder.blocks[-1].weights[-1]
        bias.assign(bias + change)
        encoder.save_pretrained(tmp_path / name, make("frozen").tokenizer)

    def model(name):
        keras.utils.set_random_seed(0)
        return TextClassifier.from_pretrained(tmp_path / name, ["bad", "good"], new_head=True)

    interrupted(tmp_path / "run", model=model("one"))
    with pytest.raises(UserError, match="whose pretrained encoder is not the same"):
        fit(tmp_path / "run", model("other"))
    fit(tmp_path / "run", model("one"))


@pytest.mark.usefixtures("eager", "often")
def test_a_damaged_last_checkpoint_falls_back(tmp_path):
    expected = make("scratch")
    history = fit(None, expected)
    interrupted(tmp_path)
    older, last = sorted(tmp_path.glob("checkpoint-*"))
    content = bytearray(last.read_bytes())
    content[-5] ^= 1
    last.write_bytes(content)
    model = make("scratch")
    message = f"{last.name} is damaged, or no checkpoint .*{older.name}, which was written before"
    with pytest.warns(UserWarning, match=message):
        found = fit(tmp_path, model)
    assert_same(model, found, (arrays(expected.variables), history.history, history.epoch))
    for path in tmp_path.glob("checkpoint-*"):
        path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="holds no other checkpoint: give a new folder"):
        fit(tmp_path)


@pytest.mark.usefixtures("eager", "often")
def test_a_full_disk_ends_no_training(tmp_path, monkeypatch):
    expected = make("scratch")
    history = fit(None, expected)
    calls = []

    def is_full(_):
        calls.append(1)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", is_full)
    model = make("scratch")
    with pytest.warns(UserWarning, match="cannot be written to") as warned:
        found = fit(tmp_path, model)
    assert_same(model, found, (arrays(expected.variables), history.history, history.epoch))
    said = [str(one.message) for one in warned if "cannot be written" in str(one.message)]
    assert len(calls) > 5
    assert len(said) == 2
    assert "(No space left on device): training goes on without new checkpoints" in said[0]
    assert "its end is not in the folder, and would go on there from checkpoint-000002" in said[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-000001.safetensors",
        "checkpoint-000002.safetensors",
    ]
    with pytest.raises(UserError, match=r"No space left on device.: make room, or give another"):
        fit(tmp_path / "new")


@pytest.mark.usefixtures("eager")
def test_one_training_writes_to_a_folder(tmp_path):
    with (
        locked(tmp_path / "run", "training"),
        pytest.raises(UserError, match=r"Another training is .*, or give another folder"),
    ):
        fit(tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file cannot be written .*give a folder that can be"):
        fit(tmp_path / "file")


@pytest.mark.usefixtures("eager")
def test_ctrl_c_ends_callbacks_and_says_how_to_go_on(tmp_path):
    expected = make("scratch")
    history = fit(None, expected)
    seen = []
    ending = keras.callbacks.LambdaCallback(on_train_end=lambda logs: seen.append("ended"))
    message = rf"the same fit with resume='{tmp_path}' goes on from .*, batch 2 of epoch 1"
    end = functools.partial(signal.raise_signal, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=message):
        fit(tmp_path, at=5, end=end, callbacks=[ending])
    assert seen == ["ended"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    model = make("scratch")
    found = fit(tmp_path, model)
    assert_same(model, found, (arrays(expected.variables), history.history, history.epoch))


@pytest.mark.usefixtures("eager")
def test_in_the_same_process_the_same_model_goes_on(tmp_path):
    """As in a notebook, where a cell is run again; and a further fit goes on from its end."""
    expected, model = make("scratch"), make("scratch")
    fit(None, expected)
    history = fit(None, expected, epochs=1)
    interrupted(tmp_path / "first", model=model)
    fit(tmp_path / "first", model)
    interrupted(tmp_path / "second", model=model, epochs=1)
    found = fit(tmp_path / "second", model, epochs=1)
    assert_same(model, found, (arrays(expected.variables), history.history, history.epoch))
    with pytest.raises(UserError, match="went on from an earlier one, of 6 batches: repeat that"):
        fit(tmp_path / "second", epochs=1)


@pytest.mark.usefixtures("eager", "often")
def test_a_model_compiled_by_hand_goes_on(tmp_path):
    def compiled(momentum=0.9):
        model = make("scratch")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1, momentum=momentum), loss, metrics=["accuracy"])
        return model

    expected, model = compiled(), compiled()
    history = fit(None, expected)
    interrupted(tmp_path, model=compiled())
    found = fit(tmp_path, model)
    assert_same(model, found, (arrays(expected.variables), history.history, history.epoch))
    with pytest.raises(UserError, match=r"whose compile.optimizer.momentum is 0.9, and not 0.5"):
        fit(tmp_path, compiled(momentum=0.5))
    model.optimizer.use_ema = True
    with pytest.raises(UserError, match="takes no optimizer with use_ema=True"):
        fit(tmp_path / "other", model)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(UserError, match="does what BackupAndRestore is for"):
        fit(tmp_path / "other", compiled(), callbacks=[backup])
    with pytest.raises(ValueError, match="needs texts: with tensors, take Keras' BackupAndRestore"):
        model.fit(np.ones((2, 4), "int32"), np.ones(2), resume=tmp_path)


@pytest.mark.usefixtures("eager")
def test_a_checkpoint_of_another_model_or_epoch_is_refused(tmp_path):
    """Whoever wrote it."""
    interrupted(tmp_path)
    _, state, tensors = CheckpointFolder(tmp_path).newest()
    changes = [
        (replace(state, epoch=9), {}, "of no epoch of this training"),
        (replace(state, step=3), {}, "of no epoch of this training"),
        (state, {"model.0": np.ones((2, 2), "float32")}, "of another model than this"),
        (state, {"optimizer.99": np.ones(2, "float32")}, "of another model than this"),
        (replace(state, callbacks=[{}]), {}, "with other callbacks"),
    ]
    for changed, others, message in changes:
        found = {name: tensors[name] for name in tensors if name != "state"} | others
        folder = tmp_path / "changed"
        folder.mkdir(exist_ok=True)
        writer = CheckpointFolder(folder)
        writer.write(changed, [pending(name, array) for name, array in found.items()])
        with pytest.raises(UserError, match=message):
            fit(folder)


def test_checkpoints_take_a_small_part_of_the_time(monkeypatch):
    clock = iter(np.arange(0.0, 1000.0, 0.5))
    run = SimpleNamespace(start=None)
    monkeypatch.setattr(resume.time, "monotonic", lambda: next(clock))
    one = resume.Checkpoints(run, [], None, 0)
    one._cost = 2.0
    waited = next(step for step in range(999) if one._is_due(0.0))
    assert (waited + 1) * 0.5 >= 2.0 / 0.05
    one._written, one._cost = 0.0, 0.0
    assert one._is_due(0.0)
    monkeypatch.setattr(resume.time, "monotonic", lambda: 59.0)
    assert not one._is_due(resume._SECONDS)
