"""Raw text tokenized on a cluster, by Ray Data."""

from collections.abc import Iterable, Iterator

import numpy as np

import kerasformer
from kerasformer.corpus.ray_engine import (
    check_version,
    connection,
    read_here,
    set_up,
    told_in_a_sentence,
)
from kerasformer.data.raw.encoding import Document, Encoded, encode, parts_of
from kerasformer.errors import require
from kerasformer.text import Tokenizer

_THREADS = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}  # a task, a core


def encoded_on_ray(documents: Iterable[Document], tokenizer: Tokenizer) -> Iterator[Encoded]:
    """Tokenizes on the cluster that `RAY_ADDRESS` names, else on one of this machine alone.

    For `TokenCorpus.write`, whose folder is the same as without. A task on the machine of the
    command reads the documents, actors all over the cluster tokenize, and the command itself
    writes: neither need be on a shared file system.

    Args:
        documents: Such as `kerasformer.data.raw.Documents`, or a list of texts.
        tokenizer: The tokenizer.

    Raises:
        UserError: There is no cluster, a node of it has another version of kerasformer, or a
            document cannot be read.
    """
    ray = require("ray", extra="ray")
    require("ray.data", extra="ray")
    given = list(documents) if isinstance(documents, Iterator) else documents

    def read():
        import pyarrow

        for sentences, counts in parts_of(given):
            yield pyarrow.table({"sentences": [sentences], "counts": [counts]})

    with connection(ray), told_in_a_sentence(ray, "tokenize the texts"):
        cores = sum(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])
        parts = read_here(ray, read).map_batches(
            _Actor,
            fn_constructor_args=(tokenizer, kerasformer.__version__),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, int(cores))),
            runtime_env={"env_vars": _THREADS},
        )
        set_up(parts)
        parts.context.execution_options.preserve_order = True
        for part in parts.iter_rows():
            tokens = np.frombuffer(part["tokens"], part["dtype"])
            yield Encoded(tokens, np.array(part["sentences"]), np.array(part["documents"]))


class _Actor:
    """A tokenizer in a process of the cluster."""

    def __init__(self, tokenizer: Tokenizer, version: str):
        self._tokenizer, self._version = tokenizer, version

    def __call__(self, part):
        import pyarrow

        check_version(self._version)
        sentences, counts = (part[name][0].as_py() for name in ("sentences", "counts"))
        made = encode(sentences, counts, self._tokenizer)
        return pyarrow.table(
            {
                "tokens": pyarrow.array([made.tokens.tobytes()], pyarrow.large_binary()),
                "dtype": [made.tokens.dtype.str],
                "sentences": pyarrow.array([made.sentences], pyarrow.list_(pyarrow.int64())),
                "documents": pyarrow.array([made.documents], pyarrow.list_(pyarrow.int64())),
            }
        )
