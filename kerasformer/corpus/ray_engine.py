"""The shards of a corpus made on a cluster, by Ray Data.

A task on the machine of the command reads the input, actors all over the cluster embed, and the
command itself writes: neither the input nor the output need be on a shared file system.
"""

import contextlib
import dataclasses
import logging
import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

import kerasformer
from kerasformer.corpus.embedding import ConfiguredEmbedder, Embedded, EmbeddingConfig
from kerasformer.corpus.manifest import Job
from kerasformer.corpus.shard_plan import PlannedShard, ShardReader, ShardRows
from kerasformer.errors import UserError, require
from kerasformer.progress import stderr_to_nowhere
from kerasformer.sources.presets import PRESETS

_MOST_CPUS = 4  # of an actor: more make an encoder little faster, a second model does
_MOST_ATTEMPTS = 3  # at one shard; Ray itself would have the actors die of it for ever
_SECONDS = 10  # for the cluster to answer
_DATA_THREADS = ("StreamingExecutor", "iter_threaded", "ray-data")  # as Ray Data names them
_VARIABLES = ("KERASFORMER_CACHE", "KERASFORMER_OFFLINE", "KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")


def run(
    job: Job, planned: Sequence[PlannedShard], embedder: ConfiguredEmbedder | None
) -> Iterator[tuple[int, ShardRows, Embedded]]:
    """Embeds shards on the cluster that `RAY_ADDRESS` names, else on one of this machine alone.

    Yields the number of each shard, its rows and what they became, in any order. A connection that
    the program has already is used, and kept. Every node has to have the same kerasformer with its
    `ray` extra, and the model: under the same path, in its cache, or from the network. A shard
    whose actor died is made by another one. The `embedder` is not used.
    """
    ray = require("ray", extra="ray")
    require("ray.data", extra="ray")
    with connection(ray), told_in_a_sentence(ray, "make a shard", ", then continue with --resume"):
        for shard in _embedded_shards(ray, job, planned).iter_rows():
            rows = ShardRows(shard["ids"], shard["texts"])
            vectors = np.frombuffer(shard["vectors"], shard["dtype"]).reshape(len(rows.ids), -1)
            yield shard["index"], rows, Embedded(vectors, shard["cut_texts"], shard["cut_tokens"])


def _embedded_shards(ray, job, planned):
    """The dataset of embedded shards, a row each, which are made while it is iterated over."""
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    cpus = int(min([_MOST_CPUS, *(count for count in nodes if count >= 1)]))
    actors = min(len(planned), sum(int(count // cpus) for count in nodes))
    attempts = ray.remote(num_cpus=0)(_Attempts).remote()
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    shards = read_here(ray, _reader(ray, job, planned)).map_batches(
        _Actor,
        fn_constructor_args=(_anywhere(job.config), kerasformer.__version__, attempts),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=cpus,
        compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=max(actors, 1)),
        runtime_env={"env_vars": variables | {"TF_NUM_INTRAOP_THREADS": str(cpus)}},
    )
    set_up(shards)
    return shards


def set_up(rows):
    """Sets that each row of a dataset is a task of its own, that may take long, or fail."""
    settings = rows.context
    settings.enable_progress_bars = False
    settings.target_max_block_size = 1  # byte: each row, a shard, is a block
    settings.execution_no_progress_timeout_s = -1  # a shard of long texts may take an hour
    settings.max_consecutive_actor_init_deaths = _MOST_ATTEMPTS
    settings.raise_original_map_exception = True


def _reader(ray, job, planned):
    """What reads the input."""
    files = [dataclasses.replace(file, path=os.path.abspath(file.path)) for file in job.input.files]
    source = dataclasses.replace(job.input, files=tuple(files))
    shared = ray.put(planned)

    def read():
        import pyarrow

        reader = ShardReader(source)
        for shard in ray.get(shared):
            rows = reader.read(shard)
            yield pyarrow.table({"index": [shard.index], "ids": [rows.ids], "texts": [rows.texts]})

    return read


def read_here(ray, read):
    """The dataset of the tables that a function yields: one task, on the node of this process."""
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    class Rows(Datasource):
        supports_distributed_reads = False

        def estimate_inmemory_data_size(self):
            return None

        def get_read_tasks(self, *_, **__):
            return [ReadTask(read, BlockMetadata(None, None, None, None))]

    return ray.data.read_datasource(Rows(), num_cpus=0, override_num_blocks=1)


class _Actor:
    """A model in a process of the cluster.

    Loaded with the first shard: a process that dies of it has died over a shard, and is replaced.
    """

    def __init__(self, config: EmbeddingConfig, version: str, attempts):
        self._config, self._version, self._attempts = config, version, attempts
        self._embedder = None

    def __call__(self, shard):
        import pyarrow
        import ray

        if ray.get(self._attempts.begin.remote(shard["index"][0].as_py())) > _MOST_ATTEMPTS:
            raise UserError(
                f"The processes that worked on a shard died {_MOST_ATTEMPTS} times: see that the "
                "nodes have enough memory, then continue with --resume."
            )
        if self._embedder is None:
            self._embedder = self._loaded()
        embedded = self._embedder(shard["texts"][0].as_py())
        vectors = np.ascontiguousarray(embedded.vectors)
        made = {
            "vectors": pyarrow.array([vectors.tobytes()], pyarrow.large_binary()),
            "dtype": [vectors.dtype.str],
            "cut_texts": [embedded.cut_texts],
            "cut_tokens": [embedded.cut_tokens],
        }
        return pyarrow.table(dict(zip(shard.column_names, shard.columns, strict=True)) | made)

    def _loaded(self):
        check_version(self._version)
        try:
            return ConfiguredEmbedder(self._config)
        except UserError as error:
            raise UserError(f"On the node {socket.gethostname()}: {error}") from None


def check_version(version: str):
    """Raises a UserError where this node has another kerasformer."""
    if kerasformer.__version__ != version:
        raise UserError(
            f"The node {socket.gethostname()} has kerasformer {kerasformer.__version__}, and the "
            f"command is of {version}: install the same one on every node."
        )


class _Attempts:
    """Counts how many times each shard has been begun: one process for the whole cluster."""

    def __init__(self):
        self._begun = Counter()

    def begin(self, index: int) -> int:
        self._begun[index] += 1
        return self._begun[index]


def _anywhere(config):
    """The config for processes with other working directories."""
    if config.model in PRESETS or "://" in config.model:
        return config
    return dataclasses.replace(config, model=os.path.abspath(os.path.expanduser(config.model)))


@contextlib.contextmanager
def connection(ray):
    """A connection to the cluster, which ends with the block if it began with it."""
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):  # its log files stay
            handler.setLevel(logging.CRITICAL)
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS") or "local"
    _check_answer(address)
    # Or it calls the way in which Ray Data makes its actors an error.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        with stderr_to_nowhere():  # where it says that it heeds that level
            ray.init(address, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # of many kinds, also `Exception` itself
        raise UserError(
            f"The Ray cluster {address} cannot be used ({_first_line(error)}): check "
            "RAY_ADDRESS, RAY_AUTH_MODE=token where the cluster wants a token, and that Python and "
            "Ray are of the same version here and there."
        ) from None
    threads = set(threading.enumerate())
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what Ray says about processes that died
            yield
    finally:
        _await_data_threads(set(threading.enumerate()) - threads)
        ray.shutdown()


def _await_data_threads(threads):
    """Lets Ray Data's threads end: one that asks Ray for anything later would connect anew."""
    for thread in threads:
        if thread.name.startswith(_DATA_THREADS):
            thread.join(_SECONDS)


def _check_answer(address):
    """Makes sure that there is a cluster; Ray itself would try for more than five minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), _SECONDS).close()
        except OSError as error:
            raise UserError(
                f"No Ray cluster answers at RAY_ADDRESS={address} ({error}): start it by `ray "
                "start --head`, or unset RAY_ADDRESS to work on this machine alone."
            ) from None


@contextlib.contextmanager
def told_in_a_sentence(ray, what: str, remedy: str = ""):
    """What goes wrong in the cluster as the `UserError` that it is there, or would be.

    Args:
        ray: The module.
        what: What the cluster is to do.
        remedy: What to do beside looking after its nodes.
    """
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):  # to which Ray has added lines
            raise UserError(str(error.cause).splitlines()[0]) from None
        raise
    except ray.exceptions.RayError as error:
        raise UserError(
            f"The Ray cluster could not {what} ({_first_line(error)}): see that its nodes have "
            f"enough memory and the same kerasformer[ray]{remedy}."
        ) from None


def _first_line(error):
    return (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(".:")
