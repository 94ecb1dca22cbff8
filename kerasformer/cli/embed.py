"""Turn the texts of files of any size into shards of vectors.

Embeds the texts of files that may be larger than memory, and writes their vectors in shards, with
ids and a manifest. --resume continues an interrupted run.
"""

import argparse

from kerasformer.cli.options import add_reading
from kerasformer.cli.text import show
from kerasformer.errors import UserError


def _layers(value):
    try:
        first, *others = map(int, value.split(","))
    except ValueError:
        return value
    return (first, *others) if others else first


_VECTOR_OPTIONS = {
    "--model": {
        "metavar": "SOURCE",
        "help": "all-MiniLM-L6-v2 (the default), a folder or file, hf://owner/name",
    },
    "--layers": {
        "type": _layers,
        "help": "a layer such as -2, several such as -4,-3,-2,-1 (write --layers=-2), or a name "
        "such as sum_last_four",
    },
    "--combine": {"choices": ("sum", "mean", "concat"), "help": "how several layers are combined"},
    "--pooling": {
        "metavar": "MODE",
        "type": lambda value: tuple(name.strip() for name in value.split(",")),
        "help": "mean, cls, max, mean_sqrt_len or pooled; several, separated by commas, are "
        "concatenated (default: the model's own)",
    },
    "--no-special-tokens": {
        "dest": "special_tokens",
        "action": "store_false",
        "help": "leave [CLS] and [SEP] out of the pooling",
    },
    "--normalize": {
        "action": argparse.BooleanOptionalAction,
        "help": "scale vectors to length 1 (default: as the model says)",
    },
    "--prompt": {"metavar": "TEXT", "help": "text put before each text"},
    "--max-length": {"metavar": "N", "type": int, "help": "tokens read of a text"},
    "--long": {
        "choices": ("truncate", "window"),
        "help": "truncate longer texts (the default), or pool over windows",
    },
    "--dimensions": {"metavar": "N", "type": int, "help": "keep the first N numbers of a vector"},
    "--dtype": {
        "choices": ("float32", "float16", "int8", "binary"),
        "help": "type of the stored numbers (default: float32)",
    },
    "--policy": {
        "choices": ("float32", "mixed_bfloat16", "bfloat16"),
        "help": "dtype policy of the model (default: float32); bfloat16 is faster on processors "
        "with AMX and AMD's; without mixed_ the weights are in it too, and vectors move a little "
        "more",
    },
}


def add_options(command):
    """Adds the options to the parser of the command."""
    command.argument_default = argparse.SUPPRESS  # the defaults are those of embed_corpus
    command.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="*",
        help="a .txt file (one text a line), .csv, .tsv, .jsonl (each also with .gz) or .parquet, "
        "a folder of such files, or - for standard input, which is saved in DIR until it is "
        "embedded; optional with --resume",
    )
    command.add_argument("--output", metavar="DIR", required=True, help="output folder")
    command.add_argument("--limit", metavar="N", type=int, help="take only the first N rows")
    command.add_argument(
        "--stdin-format",
        choices=("txt", "csv", "tsv", "jsonl"),
        help="how standard input is read: one text a line (the default), or as such a file",
    )
    add_reading(command, id="column of the ids (default: rows are numbered from 0)")
    add_vector_options(command.add_argument_group("vectors"))
    group = command.add_argument_group("output")
    group.add_argument(
        "--format",
        choices=("parquet", "npy"),
        help="file format of the shards: parquet (the default, needs kerasformer[parquet]), or "
        "npy, with ids and texts in .jsonl",
    )
    group.add_argument(
        "--no-text", dest="text", action="store_false", help="leave the texts out of the shards"
    )
    group.add_argument("--shard-size", metavar="N", type=int, help="rows a shard (default: 8192)")
    group.add_argument(
        "--engine",
        choices=("local", "ray"),
        help="ray works on the cluster that RAY_ADDRESS names (default: local)",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="continue the interrupted run in --output; finished shards are read, and made again "
        "where their sha256 is not that in manifest.json",
    )


def add_vector_options(group):
    """Adds the options of `kerasformer.corpus.embedding.EmbeddingConfig`."""
    for option, arguments in _VECTOR_OPTIONS.items():
        group.add_argument(option, **arguments)


def run(arguments):
    """Runs the command."""
    from kerasformer.corpus import embed_corpus

    options = vars(arguments)
    del options["run"]
    inputs, output = options.pop("inputs", []), options.pop("output")
    try:
        corpus = embed_corpus(inputs, output, **options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_progress(output)) from None
    show(_summary(corpus))


def _progress(output):
    """How far an interrupted run came, and how to continue."""
    from kerasformer.corpus import EmbeddedCorpus

    try:
        corpus = EmbeddedCorpus(output)
    except UserError:
        return "nothing was embedded"
    done = f"{len(corpus):,} of {corpus.manifest.rows:,} texts"
    return f"{done} are embedded in {output}; to continue, add --resume to the same command"


def _summary(corpus) -> str:
    manifest = corpus.manifest
    size = sum(file.bytes for record in manifest.done.values() for file in record.files)
    done = "1 text is" if len(corpus) == 1 else f"{len(corpus):,} texts are"
    shards = f"{len(manifest.done):,} shard{'s' * (len(manifest.done) != 1)}"
    summary = (
        f"{done} embedded in {corpus.folder}: {shards} ({manifest.job.format}), "
        f"{corpus.width:,} numbers a text ({corpus.dtype}), {size / 1e6:,.1f} MB."
    )
    texts, tokens = manifest.cut
    if texts:
        summary += (
            f"\n{texts:,} of them {'were' if texts > 1 else 'was'} too long for the model and cut: "
            f"{tokens:,} tokens are left out (--long window takes them in)."
        )
    return summary
