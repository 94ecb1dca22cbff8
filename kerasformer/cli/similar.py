"""Find the texts of an embedded corpus that are most similar to others.

Finds the texts of a corpus written by `kerasformer embed` that are nearest to a query by the cosine
of their vectors; the query is embedded as they were.
"""

import functools
import json

from kerasformer.cli.options import add_json, add_reading, take_reading
from kerasformer.cli.text import show, table
from kerasformer.errors import UserError
from kerasformer.formatting import readable
from kerasformer.progress import say

_SHOWN = 120  # characters of a text


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument("corpus", metavar="CORPUS", help="the folder of the corpus")
    command.add_argument("texts", metavar="QUERY", nargs="*", help="texts to find similar ones for")
    command.add_argument(
        "--queries",
        metavar="FILE",
        help="read the queries from a .txt file (one a line), .csv, .tsv, .jsonl (each also with "
        ".gz) or .parquet",
    )
    command.add_argument(
        "--top", metavar="N", type=int, default=10, help="texts to find for a query (default: 10)"
    )
    command.add_argument(
        "--index",
        action="store_true",
        help="search an approximate FAISS index, built first if there is none: for corpora of "
        "millions",
    )
    command.add_argument(
        "--verify",
        action="store_true",
        help="first compare every file of the corpus with its sha256 in manifest.json, so that no "
        "damaged vector is searched: reads all of it, a gigabyte in about a second",
    )
    add_reading(command)
    add_json(command)


def run(arguments):
    """Runs the command."""
    from kerasformer.corpus import EmbeddedCorpus
    from kerasformer.corpus.neighbours import nearest

    texts = _queries(arguments)
    if arguments.top < 1:
        raise UserError(f"--top is {arguments.top}: give how many texts to find, 1 or more.")
    corpus = EmbeddedCorpus(arguments.corpus)
    _check(corpus)
    if arguments.verify:
        corpus.verify()
    if arguments.index:
        from kerasformer.corpus.index import CorpusIndex

        find = CorpusIndex(corpus).nearest
    else:
        find = functools.partial(nearest, corpus)
    pairs = list(zip(texts, find(corpus.encode(texts), arguments.top), strict=True))
    if arguments.json:
        records = [{"query": text, "neighbours": [n._asdict() for n in ns]} for text, ns in pairs]
        show(json.dumps(records))
    else:
        show("\n\n".join(_format(*pair) for pair in pairs))


def _queries(arguments):
    """The texts that are given, or those of the file."""
    if bool(arguments.texts) == (arguments.queries is not None):
        raise UserError("similar takes queries, or --queries FILE: give one of the two.")
    reading = take_reading(vars(arguments))
    if arguments.queries is None:
        if reading:
            raise UserError(
                f"--{next(iter(reading)).replace('_', '-')} is of --queries: leave it out."
            )
        from kerasformer.text.texts import check_texts

        return check_texts(arguments.texts, "queries")
    from kerasformer.corpus.input import CorpusInput

    source = CorpusInput.of([arguments.queries], **reading)
    return [row.text for row in source.rows()]


def _check(corpus):
    """Refuses an empty corpus, and says what limits the result."""
    if not len(corpus):
        raise UserError(
            f"{corpus.folder} holds no vectors yet: continue with `kerasformer embed --resume "
            f"--output {corpus.folder}`."
        )
    if not corpus.complete:
        say(
            f"{corpus.folder} is unfinished: {len(corpus):,} of its {corpus.manifest.rows:,} texts "
            f"are searched (`kerasformer embed --resume --output {corpus.folder}` continues)."
        )
    if corpus.dtype == "binary":
        say("The vectors are bits: a similarity is 1 - 2 * (Hamming distance / bits).")


def _format(query, found) -> str:
    """The query, and a line for each of its neighbours."""
    rows = [["similarity", "id", "text"]]
    rows += [[f"{n.similarity:.4f}", str(n.id), _shortened(n.text or "")] for n in found]
    return f"{readable(_shortened(query))}\n{table(rows, right={0}, indent='  ')}"


def _shortened(text):
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
