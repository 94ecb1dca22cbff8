"""The ray engine on a real cluster of two nodes on this machine."""

import dataclasses
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time

import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasformer
from kerasformer.checkpoints.formats.huggingface_names import BERT
from kerasformer.cli import main
from kerasformer.corpus import embed_corpus, encoded_on_ray, ray_engine
from kerasformer.corpus.embedding import Embedded, EmbeddingConfig
from kerasformer.corpus.manifest import Manifest
from kerasformer.data.raw import Documents, TokenCorpus
from kerasformer.errors import UserError
from kerasformer.models import EncoderConfig
from kerasformer.text import WordPieceTokenizer

ray = pytest.importorskip("ray")
pytest.importorskip("pyarrow")
pytestmark = pytest.mark.cluster

WORDS = ["river", "money", "bank", "boat", "loan", "water", "rate", "deep", "high", "low"]
SHARDS = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny encoder of random weights in the Hugging Face layout."""
    folder = tmp_path_factory.mktemp("model")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    names = {
        "vocab_size": len(words), "hidden_size": 36, "num_hidden_layers": 2,
        "num_attention_heads": 3, "intermediate_size": 64, "max_position_embeddings": 64,
        "type_vocab_size": 2, "model_type": "bert", "hidden_act": "gelu",
    }  # fmt: skip
    config = EncoderConfig(
        vocab_size=len(words), hidden_size=36, num_layers=2, num_heads=3, intermediate_size=64,
        max_length=64,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    tensors = {
        weight.theirs: rng.normal(0, 0.3, weight.shape).astype("float32")
        for weight in BERT.encoder_weights(config)
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "config.json").write_text(json.dumps(names))
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A file of 240 texts of 1 to 50 words."""
    rng = np.random.default_rng(1)
    lines = [" ".join(rng.choice(WORDS, rng.integers(1, 51))) for _ in range(240)]
    file = tmp_path_factory.mktemp("texts") / "texts.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def local(model, texts, tmp_path_factory):
    """The folder that the local engine makes of them."""
    folder = tmp_path_factory.mktemp("local") / "out"
    embed_corpus([texts], folder, model=str(model), shard_size=240 // SHARDS)
    return folder


@pytest.fixture(scope="module", autouse=True)
def no_token():
    """Keeps Ray from writing a token into the home folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_AUTH_MODE", "disabled")
        yield


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two nodes, of two logical CPUs each; no process of it is left behind."""
    from ray.cluster_utils import Cluster

    temporary = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # sockets' paths have to be short
    cluster = Cluster()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_TMPDIR", temporary)  # of all files: what is outside may not be there
        try:
            for extra in ({"include_dashboard": False}, {}):
                cluster.add_node(num_cpus=2, object_store_memory=80 << 20, **extra)
            yield cluster
        finally:
            ray.shutdown()
            left = processes(cluster)
            cluster.shutdown()
            import psutil

            _, alive = psutil.wait_procs(left, timeout=10)
            for process in alive:
                process.kill()
            shutil.rmtree(temporary, ignore_errors=True)
            assert not alive


def processes(cluster, name=""):
    """The workers of the cluster whose title begins with a name."""
    import psutil

    found = []
    for node in cluster.list_all_nodes():
        for raylet in node.all_processes.get("raylet", ()):
            for child in psutil.Process(raylet.process.pid).children(recursive=True):
                try:
                    if "".join(child.cmdline()).startswith(name):
                        found.append(child)
                except psutil.NoSuchProcess:
                    continue
    return found


@pytest.fixture
def on_cluster(cluster, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    assert not ray.is_initialized()


class Quick(ray_engine._Actor):
    """Has no model, and takes its time all the same."""

    def _loaded(self):
        def embedding(texts):
            time.sleep(0.2)
            return Embedded(np.zeros([len(texts), 3], "float32"), 0, 0)

        return embedding


class Deadly(ray_engine._Actor):
    """Dies of each shard."""

    def _loaded(self):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def actor(monkeypatch):
    """Has the engine work with another class of actors; pickled whole, as no node has this file."""

    def use(actor):
        monkeypatch.setattr(ray_engine, "_Actor", actor)

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield use
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def content(folder):
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    return {name: (folder / name).read_bytes() for name in names}


def test_resumed_while_an_actor_is_killed_the_files_are_those_of_the_local_engine(
    on_cluster, local, tmp_path, monkeypatch
):
    folder = tmp_path / "out"
    shutil.copytree(local, folder)
    for index in range(1, SHARDS):
        (folder / f"part-{index:05d}.parquet").unlink()
    run, pids = ray_engine.run, set()

    def killing(*arguments):
        for record in run(*arguments):
            yield record
            working = [process.pid for process in processes(on_cluster, "ray::MapWorker")]
            if not pids:
                os.kill(working[0], signal.SIGKILL)
            pids.update(working)

    monkeypatch.setattr(ray_engine, "run", killing)
    corpus = embed_corpus([], folder, resume=True, engine="ray")
    assert len(pids) >= 2
    assert corpus.complete
    assert content(folder) == content(local)


def test_where_it_is_closed_it_leaves_the_cluster(on_cluster, local, tmp_path, actor):
    actor(Quick)
    manifest = Manifest.load(local)
    records = ray_engine.run(manifest.job, manifest.planned, None)
    next(records)
    working = processes(on_cluster, "ray::MapWorker")
    assert working
    records.close()
    assert not ray.is_initialized()
    import psutil

    _, alive = psutil.wait_procs(working, timeout=30)
    assert not alive
    # A thread of Ray Data that is left would connect anew with the next thing that it asks for.
    left = [thread.name for thread in threading.enumerate()]
    assert not [name for name in left if name.startswith(ray_engine._DATA_THREADS)]


def test_actors_that_die_of_a_shard_are_an_error_in_the_end(on_cluster, local, tmp_path, actor):
    actor(Deadly)
    manifest = Manifest.load(local)
    with pytest.raises(UserError, match="died 3 times: see that the nodes have enough memory") as e:
        list(ray_engine.run(manifest.job, manifest.planned[:1], None))
    assert "\n" not in str(e.value)


def test_an_error_of_the_reader_is_told_in_its_sentence_alone(
    on_cluster, local, texts, tmp_path, capfd
):
    changed = tmp_path / "changed.txt"
    changed.write_text(texts.read_text() + "bank\n")
    manifest = Manifest.load(local)
    file = dataclasses.replace(manifest.job.input.files[0], path=str(changed))
    source = dataclasses.replace(manifest.job.input, files=(file,))
    job = dataclasses.replace(manifest.job, input=source)
    with pytest.raises(UserError, match=r"changed\.txt has changed since the job was begun") as e:
        list(ray_engine.run(job, manifest.planned, None))
    assert "\n" not in str(e.value)
    assert capfd.readouterr() == ("", "")


def test_errors_of_an_actor_name_its_node(model):
    node = socket.gethostname()
    config = EmbeddingConfig(str(model))
    with pytest.raises(UserError, match=rf"node {node} has kerasformer .* is of 9\.8\.7: install"):
        ray_engine._Actor(config, "9.8.7", None)._loaded()
    gone = EmbeddingConfig(str(model / "gone"))
    with pytest.raises(UserError, match=f"On the node {node}: There is no file or folder"):
        ray_engine._Actor(gone, kerasformer.__version__, None)._loaded()


def test_a_model_is_named_in_a_way_that_holds_anywhere(model, monkeypatch):
    monkeypatch.chdir(model.parent)
    assert ray_engine._anywhere(EmbeddingConfig(model.name)).model == str(model)
    for source in ("all-MiniLM-L6-v2", "hf://owner/name"):
        assert ray_engine._anywhere(EmbeddingConfig(source)).model == source


def test_without_an_address_it_works_on_this_machine(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with ray_engine.connection(ray):
        assert len(ray.nodes()) == 1
        with ray_engine.connection(ray):  # of the program's own
            pass
        assert ray.is_initialized()
    assert not ray.is_initialized()


def test_no_cluster_at_the_address(local, tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        manifest = Manifest.load(local)
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(UserError, match=f"No Ray cluster answers at RAY_ADDRESS={address} "):
            list(ray_engine.run(manifest.job, manifest.planned, None))
    monkeypatch.setenv("RAY_ADDRESS", "nowhere")
    with pytest.raises(UserError, match="The Ray cluster nowhere cannot be used"):
        list(ray_engine.run(manifest.job, manifest.planned, None))


def test_raw_text_is_tokenized_as_on_one_machine(on_cluster, tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    text = ". ".join(word.title() for word in rng.choice(WORDS, 400_000))
    (tmp_path / "text.txt").write_text(text.replace("Bank. Boat.", "Bank.\n\nBoat."))
    monkeypatch.chdir(tmp_path)  # where no worker is
    tokenizer = WordPieceTokenizer.train(WORDS)
    here = TokenCorpus.write(Documents(["text.txt"]), tokenizer, "here", verbose=False)
    tokenizer.save_pretrained("vocab")
    given = ["--vocab", "vocab", "--engine", "ray", "--output", "there"]
    assert main(["corpus", "text.txt", *given]) == 0
    assert here.fingerprint == TokenCorpus.open("there").fingerprint
    (tmp_path / "binary.txt").write_bytes(b"a\0b")
    with pytest.raises(UserError, match=r"binary\.txt, line 1, holds a NUL byte"):
        TokenCorpus.write(Documents(["binary.txt"]), tokenizer, "gone", encode=encoded_on_ray)
    assert not (tmp_path / "gone").exists()
