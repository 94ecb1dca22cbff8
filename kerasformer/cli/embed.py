"""`kerasformer embed`."""

import argparse
import re

from kerasformer.cli.options import add_reading
from kerasformer.errors import UserError


def _layers(value):
    if re.fullmatch(r"-?\d+(,-?\d+)*", value):
        numbers = tuple(map(int, value.split(",")))
        return numbers if len(numbers) > 1 else numbers[0]
    return value


def _names(value):
    return tuple(name.strip() for name in value.split(","))


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
        "type": _names,
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


def add_to(commands):
    """Adds the command to the parser of commands."""
    command = commands.add_parser(
        "embed",
        help="turn the texts of files of any size into shards of vectors",
        description="Embeds the texts of files that may be larger than memory, and writes their "
        "vectors in shards, with ids and a manifest. --resume continues an interrupted run.",
        argument_default=argparse.SUPPRESS,  # what is not given keeps the default of embed_corpus
    )
    command.set_defaults(run=_run)
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
    _add_output(command.add_argument_group("output"))


def add_vector_options(group):
    """Adds the options of `kerasformer.corpus.embedding.EmbeddingConfig`."""
    for option, arguments in _VECTOR_OPTIONS.items():
        group.add_argument(option, **arguments)


def _add_output(group):
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
        "--resume", action="store_true", help="continue the interrupted run in --output"
    )


def _run(arguments):
    from kerasformer.corpus import embed_corpus

    options = vars(arguments)
    del options["run"]
    inputs, output = options.pop("inputs", []), options.pop("output")
    try:
        corpus = embed_corpus(inputs, output, **options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_progress(output)) from None
    print(_summary(corpus))
    return 0


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
    records = manifest.done.values()
    size = sum(file.bytes for record in records for file in record.files)
    done = "1 text is" if len(corpus) == 1 else f"{len(corpus):,} texts are"
    shards = f"{len(records):,} shard{'s' * (len(records) != 1)}"
    lines = [
        f"{done} embedded in {corpus.folder}: {shards} ({manifest.job.format}), "
        f"{corpus.width:,} numbers a text ({corpus.dtype}), {size / 1e6:,.1f} MB."
    ]
    texts, tokens = manifest.cut
    if texts:
        lines.append(
            f"{texts:,} of them {'were' if texts > 1 else 'was'} too long for the model and cut: "
            f"{tokens:,} tokens are left out (--long window takes them in)."
        )
    return "\n".join(lines)
