"""`kerasformer similar`."""

import json
import sys

from kerasformer.cli.options import add_json
from kerasformer.errors import UserError

_SHOWN = 120  # characters of a text


def add_to(commands):
    """Adds the command to the parser of commands."""
    command = commands.add_parser(
        "similar",
        help="find the texts of an embedded corpus that are nearest to others",
        description="Finds the texts of a corpus, which `kerasformer embed` wrote, that are "
        "nearest to a query by the cosine of their vectors; it is embedded as they were.",
    )
    command.set_defaults(run=_run)
    command.add_argument("corpus", metavar="CORPUS", help="the folder of the corpus")
    command.add_argument("texts", metavar="QUERY", nargs="*", help="the texts to find others for")
    command.add_argument(
        "--queries",
        metavar="FILE",
        help="take the queries from a .txt file (one a line), .csv, .tsv, .jsonl (each also with "
        ".gz) or .parquet",
    )
    command.add_argument("--text-column", metavar="NAME", help="column of the queries in the file")
    command.add_argument(
        "--top", metavar="N", type=int, default=10, help="texts to find for a query (10)"
    )
    command.add_argument(
        "--index",
        action="store_true",
        help="search an approximate index by FAISS, which is made first where there is none: for "
        "corpora of millions",
    )
    add_json(command)


def _run(arguments):
    from kerasformer.corpus import EmbeddedCorpus

    texts = _queries(arguments)
    if arguments.top < 1:
        raise UserError(f"--top is {arguments.top}: give how many texts to find, 1 or more.")
    corpus = EmbeddedCorpus(arguments.corpus)
    _tell_of(corpus)
    found = _search(corpus, texts, arguments.top, arguments.index)
    if arguments.json:
        print(json.dumps([_record(*pair) for pair in zip(texts, found, strict=True)]))
    else:
        print("\n\n".join(_format(*pair) for pair in zip(texts, found, strict=True)))
    return 0


def _queries(arguments):
    """The texts that are given, or those of the file."""
    if bool(arguments.texts) == (arguments.queries is not None):
        raise UserError("similar takes queries, or --queries FILE: give one of the two.")
    if arguments.queries is None:
        from kerasformer.text.texts import check_texts

        return check_texts(arguments.texts, "queries")
    from kerasformer.corpus.input import CorpusInput

    source = CorpusInput.of([arguments.queries], arguments.text_column)
    return [row.text for row in source.rows()]


def _tell_of(corpus):
    """Says what a person should know of the result."""
    if not len(corpus):
        raise UserError(
            f"{corpus.folder} holds no vectors yet: go on with `kerasformer embed --resume`."
        )
    if not corpus.complete:
        print(
            f"{corpus.folder} is unfinished: {len(corpus):,} of its {corpus.manifest.rows:,} texts "
            "are searched (`kerasformer embed --resume` goes on).",
            file=sys.stderr,
        )
    if corpus.dtype == "binary":
        print(
            "The vectors are bits: a similarity is 1 - 2 * (Hamming distance / bits).",
            file=sys.stderr,
        )


def _search(corpus, texts, top, by_index):
    from kerasformer.corpus.neighbours import nearest

    if by_index:
        from kerasformer.corpus.index import CorpusIndex

        return CorpusIndex(corpus).nearest(corpus.encode(texts), top)
    return nearest(corpus, corpus.encode(texts), top)


def _record(query, found):
    return {"query": query, "neighbours": [neighbour._asdict() for neighbour in found]}


def _format(query, found) -> str:
    """The query, and a line for each of its neighbours."""
    from kerasformer.cli.text import readable, table

    rows = [["similarity", "id", "text"]]
    rows += [[f"{n.similarity:.4f}", str(n.id), _shortened(n.text or "")] for n in found]
    return f"{readable(_shortened(query))}\n{table(rows, right={0}, indent='  ')}"


def _shortened(text):
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
