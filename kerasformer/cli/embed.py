"""`kerasformer embed`."""

import argparse
import re
import sys

from kerasformer.errors import UserError


def add_to(commands):
    """Adds the command to the parser of commands."""
    command = commands.add_parser(
        "embed",
        help="turn the texts of files of any size into shards of vectors",
        description="Embeds the texts of files that may be larger than memory, and writes their "
        "vectors in shards, with ids and a manifest. An interrupted run goes on with --resume.",
        argument_default=argparse.SUPPRESS,  # what is not given keeps the default of embed_corpus
    )
    command.set_defaults(run=_run)
    command.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="*",
        help="a .txt file (a text for each line), .csv, .tsv, .jsonl (each also with .gz) or "
        ".parquet, a folder of such files, or - for standard input, which is saved in DIR until it "
        "is embedded; may be left out with --resume",
    )
    command.add_argument("--output", metavar="DIR", required=True, help="folder to write to")
    _add_input(command.add_argument_group("input"))
    add_vector_options(command.add_argument_group("vectors"))
    _add_output(command.add_argument_group("output"))


def _add_input(group):
    group.add_argument(
        "--text-column", metavar="NAME", help="column of the text; several with commas between"
    )
    group.add_argument(
        "--id-column", metavar="NAME", help="column of the ids (by default rows count from 0)"
    )
    group.add_argument(
        "--no-header",
        dest="header",
        action="store_false",
        help="CSV and TSV files begin with data; columns are called 0, 1, ...",
    )
    group.add_argument(
        "--stdin-format",
        choices=("txt", "csv", "tsv", "jsonl"),
        help="how standard input is read: a text for each line (the default), or as such a file",
    )
    group.add_argument("--limit", metavar="N", type=int, help="take the first N rows only")


def add_vector_options(group):
    """Adds the options of `kerasformer.corpus.embedding.EmbeddingConfig` to a parser or a group."""
    group.add_argument(
        "--model",
        metavar="SOURCE",
        help="all-MiniLM-L6-v2 (the default), a folder or file, hf://owner/name",
    )
    group.add_argument(
        "--layers",
        type=_layers,
        help="a layer such as -2, several such as -4,-3,-2,-1 (write --layers=-2), or a name such "
        "as sum_last_four",
    )
    group.add_argument(
        "--combine", choices=("sum", "mean", "concat"), help="what is done with them"
    )
    group.add_argument(
        "--pooling",
        type=_names,
        metavar="MODE",
        help="mean, cls, max, mean_sqrt_len or pooled; several with commas between are put side by "
        "side (by default as the model says)",
    )
    group.add_argument(
        "--no-special-tokens",
        dest="special_tokens",
        action="store_false",
        help="leave [CLS] and [SEP] out of the pooling",
    )
    group.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help="scale vectors to length 1 or not (by default as the model says)",
    )
    group.add_argument("--prompt", metavar="TEXT", help="what is put before each text")
    group.add_argument("--max-length", metavar="N", type=int, help="tokens of a text that are read")
    group.add_argument(
        "--long",
        choices=("truncate", "window"),
        help="cut longer texts (the default), or pool over windows",
    )
    group.add_argument("--dimensions", metavar="N", type=int, help="keep the first N numbers")
    group.add_argument(
        "--dtype",
        choices=("float32", "float16", "int8", "binary"),
        help="of the stored numbers (float32 by default)",
    )
    group.add_argument(
        "--policy",
        choices=("float32", "mixed_bfloat16", "bfloat16"),
        help="what is computed in (float32 by default); bfloat16 is quicker where the processor "
        "has AMX or is AMD's; without mixed_ the weights are held in it too, and vectors move a "
        "little more",
    )


def _add_output(group):
    group.add_argument("--format", choices=("parquet", "npy"), help="parquet by default")
    group.add_argument(
        "--no-text", dest="text", action="store_false", help="leave the texts out of the shards"
    )
    group.add_argument(
        "--shard-size", metavar="N", type=int, help="rows in a shard (8192 by default)"
    )
    group.add_argument(
        "--engine",
        choices=("local", "ray"),
        help="ray works on the cluster that RAY_ADDRESS names",
    )
    group.add_argument(
        "--resume", action="store_true", help="go on with the interrupted run in --output"
    )


def _layers(value):
    if re.fullmatch(r"-?\d+(,-?\d+)*", value):
        numbers = tuple(map(int, value.split(",")))
        return numbers if len(numbers) > 1 else numbers[0]
    return value


def _names(value):
    return tuple(name.strip() for name in value.split(","))


def _run(arguments):
    from kerasformer.corpus import embed_corpus

    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    inputs, output = options.pop("inputs", []), options.pop("output")
    try:
        corpus = embed_corpus(inputs, output, **options)
    except KeyboardInterrupt:
        print(f"kerasformer: interrupted; {_progress(output)}.", file=sys.stderr)
        return 130
    print(_summary(corpus))
    return 0


def _progress(output):
    """How far an interrupted run came, and how to go on."""
    from kerasformer.corpus import EmbeddedCorpus

    try:
        corpus = EmbeddedCorpus(output)
    except UserError:
        return "nothing was embedded"
    done = f"{len(corpus):,} of {corpus.manifest.rows:,} texts"
    return f"{done} are embedded in {output}, the same command with --resume goes on"


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
