"""Show the tokens of texts, or entries of a vocabulary.

Shows the tokens, ids and character offsets of texts as a model gets them, special tokens included;
or entries of its vocabulary.
"""

import fnmatch
import json
import re
import sys

from kerasformer.cli.options import add_json
from kerasformer.cli.text import show, table
from kerasformer.errors import UserError
from kerasformer.formatting import readable


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a model or tokenizer: a folder, a vocab.txt, a preset's name such as "
        "all-MiniLM-L6-v2, hf://owner/name",
    )
    command.add_argument(
        "texts", metavar="TEXT", nargs="*", help="the texts; - reads lines from standard input"
    )
    command.add_argument("--pair", metavar="TEXT", help="a second text, paired with each text")
    command.add_argument(
        "--max-length",
        metavar="N",
        type=int,
        help="keep at most N tokens, special tokens included",
    )
    command.add_argument(
        "--vocab",
        metavar="PART",
        help="entries of the vocabulary: ids such as 1000:1020, :10 or 7, or tokens such as "
        "'film*' or '##?s' (* is any characters, ? is one)",
    )
    add_json(command)


def run(arguments):
    """Runs the command."""
    if (arguments.vocab is None) == (not arguments.texts):
        raise UserError("tokenize takes texts, or --vocab PART: give one of the two.")
    tokenizer = _read_tokenizer(arguments.source)
    if arguments.vocab is not None:
        entries = vocabulary_part(tokenizer, arguments.vocab)
        if arguments.json:
            show(json.dumps([{"id": i, "token": token} for i, token in entries]))
        else:
            for i, token in entries:
                show(f"{i:>{len(str(tokenizer.vocab_size))}}  {readable(token)}")
        return
    texts = (line for text in arguments.texts for line in _lines(text))
    each = (_tokens(tokenizer, text, arguments.pair, arguments.max_length) for text in texts)
    if arguments.json:
        show(json.dumps(list(each)))
    else:
        for number, result in enumerate(each):
            show("\n" * (number > 0) + _format(result))


def _lines(text):
    from kerasformer.text.texts import LONGEST_TEXT

    if text != "-":
        yield text
        return
    try:
        while line := sys.stdin.readline(LONGEST_TEXT + 1):  # what is longer is refused
            yield line.removesuffix("\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"Standard input is not {error.encoding} text (byte {error.start}): save it as UTF-8."
        ) from None


def _read_tokenizer(source):
    """The tokenizer of a model, or of a folder or file with nothing but a tokenizer."""
    from kerasformer.checkpoints import open_checkpoint
    from kerasformer.checkpoints.inspect import find_tokenizer
    from kerasformer.sources.resolve import resolve

    path = resolve(source)
    try:
        return open_checkpoint(path).read_tokenizer()
    except UserError:
        tokenizer = find_tokenizer(path)
        if tokenizer is None:
            raise
        return tokenizer


def vocabulary_part(tokenizer, part: str) -> list[tuple[int, str]]:
    """Entries of a vocabulary, by a slice of ids such as "5:" or a pattern of tokens.

    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "film", "##s"]
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(words)
    >>> vocabulary_part(tokenizer, "5:"), vocabulary_part(tokenizer, "fi*")
    ([(5, 'film'), (6, '##s')], [(4, 'fine'), (5, 'film')])
    """
    entries = list(enumerate(tokenizer.vocabulary()))
    match = re.fullmatch(r"(\d*):(\d*)|\d+", part, flags=re.ASCII)
    if match is None:
        # Brackets stand for themselves: [MASK] is a token, and no set of characters.
        pattern = re.compile(fnmatch.translate(part.replace("[", "[[]")))
        found = [entry for entry in entries if pattern.match(entry[1])]
    elif ":" in part:
        found = entries[int(match[1] or 0) : int(match[2] or len(entries))]
    else:
        found = entries[int(part) : int(part) + 1]
    if not found:
        raise UserError(
            f"No entry of the vocabulary is {part!r}: its ids are 0 to {len(entries) - 1}, and "
            "tokens inside a word begin with ##."
        )
    return found


def _tokens(tokenizer, text, pair, max_length):
    """The tokens of a text as a model gets them, and how many `max_length` cuts off.

    `start` and `end` are places in the text or the pair; None for the special tokens around them.
    """
    from kerasformer.text import WordPieceTokenizer

    pairs = None if pair is None else [pair]
    tokenized = tokenizer.tokenize([text], pairs, max_length=max_length)
    whole = tokenized if max_length is None else tokenizer.tokenize([text], pairs)
    ids, segments = tokenized.ids[0], tokenized.type_ids[0]
    special = int(isinstance(tokenizer, WordPieceTokenizer))  # tokens before and after a text
    first = segments.count(0)
    places = _places(tokenizer, text, special, special, first) if first else []
    if pair is not None:
        places += _places(tokenizer, pair, 0, special, len(ids) - first)
    return {
        "text": text,
        "pair": pair,
        "left_out": int(whole.lengths[0] - tokenized.lengths[0]),
        "tokens": [
            {
                "token": tokenizer.backend.id_to_token(token_id),
                "id": token_id,
                "segment": segment,
                "start": start,
                "end": end,
                "unknown": token_id == tokenizer.unk_id,
            }
            for token_id, segment, (start, end) in zip(ids, segments, places, strict=True)
        ],
    }


def _places(tokenizer, text, before, after, count):
    """The offsets of the `count` tokens of one text, None for those around it."""
    offsets = tokenizer.offsets([text])[0][: count - before - after]
    none = (None, None)
    places = [none] * before + [tuple(place) for place in offsets] + [none] * after
    return places + [none] * (count - len(places))  # the [UNK] of a text without any word


def _format(result: dict) -> str:
    paired = result["pair"] is not None
    rows = [["", "id", *["segment"] * paired, "offsets", "token", "text"]]
    for index, token in enumerate(result["tokens"]):
        start, end, segment = token["start"], token["end"], token["segment"]
        text = result["pair"] if segment else result["text"]
        rows.append(
            [
                str(index),
                str(token["id"]),
                *[str(segment)] * paired,
                "" if start is None else f"{start}:{end}",
                token["token"],
                "" if start is None else text[start:end] + ("  (unknown)" * token["unknown"]),
            ]
        )
    lines = table(rows, right=set(range(len(rows[0]) - 2)))
    if result["left_out"]:
        many = result["left_out"] > 1
        lines += f"\n{result['left_out']:,} more token{'s are' if many else ' is'} cut off."
    return lines
