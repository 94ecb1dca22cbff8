"""Tasks on several devices, and in several processes, against the same on one device."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.models.distribution import strategy_scope

SCRIPT = Path(__file__).with_name("distributed.py")
ON_JAX = keras.backend.backend() == "jax"
# Compiling those of other tasks takes minutes there; how rows are divided is the same for all.
SUBJECTS = ["texts"]
if not ON_JAX:
    SUBJECTS += ["frozen", "pairs", "tags", "answers", "masked", "causal", "distilled", "both"]
REDUCTIONS = ("sum_over_batch_size", "mean")

# With graphs, and with the collectives that tf.distribute adds by where it is not told otherwise.
IN_GRAPHS = """
import json, logging
import keras, numpy as np, tensorflow as tf
from kerasformer.errors import UserError
from kerasformer.tasks import TransformerClassifier
from kerasformer.text import WordTokenizer

logging.getLogger("tensorflow").setLevel("ERROR")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
texts = ["a fine film", "so dull", "fine", "so dull a film", "dull film fine", "fine film so"] * 2
texts, labels = texts[:11], ([1, 0, 1, 0, 0, 1] * 2)[:11]  # batches of 4, 4 and 3

def make():
    keras.utils.set_random_seed(0)
    tokenizer = WordTokenizer.train(texts, vocab_size=20)
    return TransformerClassifier(2, 20, 8, 8, dropout=0.0, tokenizer=tokenizer)

def numbers(model):
    parts = [model.predict(texts, batch_size=5), model.evaluate(texts, labels, batch_size=8)]
    fitted = model.fit(texts, labels, epochs=2, batch_size=4, verbose=0, learning_rate=0.01,
                       validation_data=(texts[:5], labels[:5]))
    parts += [fitted.history["loss"], fitted.history["val_loss"], model.predict(texts)]
    return np.concatenate([np.ravel(part) for part in parts]).tolist()

result = {"one": numbers(make())}
with strategy.scope():
    result["inside"] = numbers(make())
    other = make()
result["outside"] = numbers(other)
model = make()
try:
    with strategy.scope():
        model.fit(texts, labels, verbose=0)
except UserError as error:
    result["refused"] = str(error)
print(json.dumps(result))
"""


def start(*command, devices=1):
    """A Python process, on JAX with so many devices."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    environment["JAX_CPU_COLLECTIVES_IMPLEMENTATION"] = "gloo"
    environment["KERAS_BACKEND"] = keras.backend.backend()
    flags = os.environ.get("XLA_FLAGS", ""), f"--xla_force_host_platform_device_count={devices}"
    environment["XLA_FLAGS"] = " ".join(flags)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(
        [sys.executable, *map(str, command)], text=True, env=os.environ | environment, **pipes
    )


def printed(processes, given=None):
    """The JSON that is the last line of what each of some processes prints."""
    for process in processes:  # all of them, before one is waited for
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        process.stdin = None
    try:
        outputs = [process.communicate(timeout=1800) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-2000:]
    return [json.loads(output.splitlines()[-1]) for output, _ in outputs]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """All trainings of one process, whose start takes longer than most of them."""
    options = {"accumulate": 2} if ON_JAX else {}
    rows = [
        (f"{subject} on {count}", subject, count, options)
        for subject in SUBJECTS
        for count in (None, 3)
    ]
    rows.append(("made outside", "texts", 3, {"made_outside": True}))
    if ON_JAX:
        rows.append(("used outside", "texts", 3, {"made_outside": True, "only_used": True}))
    else:
        folder = {"folder": str(tmp_path_factory.mktemp("resumed"))}
        rows += [
            ("texts on 2", "texts", 2, folder | {"stop": 3}),
            ("resumed on 3", "texts", 3, folder),
            ("accumulated", "texts", 3, {"accumulate": 2}),
        ]
        rows += [
            (f"{reduction} on {count}", "texts", count, {"by_hand": reduction})
            for reduction in REDUCTIONS
            for count in (None, 3)
        ]
        dropped = [("dropped on 1", None), ("dropped on 3", 3), ("dropped again", 3)]
        rows += [(name, "texts", count, {"dropout": 0.3}) for name, count in dropped]
    return printed([start(SCRIPT, devices=3)], rows)[0]


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    # How many rows a device has is another number; and without graphs Keras weighs the losses of
    # several outputs, in the mean over an epoch, by the rows of each device.
    others = {"shares", "start_logits_loss", "end_logits_loss", "next_sentence_loss"}
    for name in found.keys() - others:
        assert found[name] == pytest.approx(expected[name], rel=1e-5, abs=1e-5), name


@pytest.mark.parametrize("subject", SUBJECTS)
def test_three_devices_compute_what_one_does(results, subject):
    assert_equal(results[f"{subject} on 3"], results[f"{subject} on None"])


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_whole_numbers_weigh_the_rows_of_three_devices_as_of_one(results, reduction):
    assert_equal(results[f"{reduction} on 3"], results[f"{reduction} on None"])


@pytest.mark.backend("tensorflow")
def test_dropout_of_three_devices_follows_the_seed_but_is_not_that_of_one(results):
    one, three, again = (results[f"dropped {name}"] for name in ("on 1", "on 3", "again"))
    assert three == again
    assert all(np.isfinite(values).all() for values in three.values())
    assert three["loss"] != pytest.approx(one["loss"], rel=1e-3)


@pytest.mark.backend("tensorflow")
def test_two_devices_compute_what_one_does():
    (result,) = printed([start("-c", IN_GRAPHS)])
    refused = result.pop("refused")
    assert "was made outside the scope" in refused
    assert "\n" not in refused
    assert result.keys() == {"one", "inside", "outside"}
    for place, found in result.items():
        assert found == pytest.approx(result["one"], abs=2e-4), place


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize("name", ["MultiWorkerMirroredStrategy", "ParameterServerStrategy"])
def test_strategies_of_several_machines_are_refused_in_a_sentence(name):
    import tensorflow as tf

    strategy = object.__new__(getattr(tf.distribute, name))  # without its machines
    with pytest.raises(UserError, match=rf"tf.distribute's {name}.*: .* jax.distributed\.$"):
        strategy_scope(SimpleNamespace(distribute_strategy=strategy))


@pytest.mark.backend("tensorflow")
def test_a_training_that_was_stopped_goes_on_with_two_devices(results):
    assert_equal(results["texts on 2"], results["texts on None"])


@pytest.mark.backend("jax")
def test_each_device_computes_its_share_of_the_rows(results):
    assert results["texts on 3"]["shares"] == [2]
    assert results["texts on None"]["shares"] == [6]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "made outside",
            r"was made (outside|before) .*(tf|keras)\.distribut.*make it, its encoder",
        ),
        ("resumed on 3", "a training whose number of devices is 2, and not 3: give the same, or"),
        (
            "accumulated",
            r"accumulate=2 is not possible on several devices of tf\.distribute: take a",
        ),
    ],
)
def test_what_is_refused_is_refused_in_a_sentence(results, name, sentence):
    if name not in results:
        pytest.skip("accumulation works on JAX, and resuming is tested there in two processes")
    assert re.search(sentence, results[name])
    assert "\n" not in results[name]


@pytest.mark.backend("jax")
def test_a_model_on_other_devices_answers_nothing_and_says_so_in_a_sentence(results):
    calls, refused = results["used outside"]["calls"], results["used outside"]["refused"]
    assert refused.keys() == set(calls)
    for sentence in refused.values():
        assert re.fullmatch(r"This .* was made before .* used in was set: make it, .*\.", sentence)


@pytest.mark.backend("jax")
def test_two_processes_go_on_where_they_were_stopped_with_what_one_computes(results, tmp_path):
    options = {"accumulate": 2, "stop": 3, "folder": str(tmp_path / "resumed")}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = [start(SCRIPT, address, number) for number in range(2)]
    full, new, missing = (
        {"folder": str(tmp_path / name)} for name in ("resumed", "new", "missing")
    )
    one, two = {"accumulate": 1}, {"accumulate": 2}
    rows = [
        ("texts", options),
        ("missing folder", two | {"apart": [full, missing]}),
        ("other settings", new | {"apart": [one, two]}),
        ("other training", full | one),
    ]
    first, second = printed(processes, [(name, "texts", 2, given) for name, given in rows])
    for found in (first, second):
        for name in ("missing folder", "other settings"):
            sentence = r"processes of this training do not find the same in .*: give all of them"
            assert re.search(sentence, found.pop(name)), name
    assert "a training whose accumulate is 2, and not 1: give" in first["other training"]
    assert first == second
    assert first["texts"]["shares"] == [3]
    assert_equal(first["texts"], results["texts on None"])
