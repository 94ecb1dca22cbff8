"""Learn a vocabulary of word pieces from raw text.

Learns WordPiece, as BERT's, from text of any size and writes vocab.txt, tokenizer.json and
tokenizer_config.json, which this program, transformers and TF Text read with the same tokens. The
same text always gives the same vocabulary.
"""

import time

from kerasformer.cli.options import add_raw_text, read_raw_text
from kerasformer.cli.text import show
from kerasformer.files import expanded, refuse_used
from kerasformer.progress import step


def add_options(command):
    """Adds the options to the parser of the command."""
    add_raw_text(command)
    command.add_argument(
        "--output", metavar="FOLDER", required=True, help="new folder for the files"
    )
    command.add_argument(
        "--size",
        metavar="N",
        type=int,
        default=30_522,
        help="tokens, special tokens included (default: 30522, as BERT has)",
    )
    command.add_argument(
        "--cased", action="store_true", help="keep capital letters (default: all are lower-cased)"
    )
    accents = command.add_mutually_exclusive_group()
    accents.add_argument(
        "--keep-accents",
        dest="strip_accents",
        action="store_false",
        default=None,
        help="keep accents (default: with --cased)",
    )
    accents.add_argument(
        "--strip-accents",
        action="store_true",
        default=None,
        help="strip accents (default: without --cased)",
    )
    command.add_argument(
        "--min-frequency",
        metavar="N",
        type=int,
        default=2,
        help="how often a piece of several characters occurs at least (default: 2)",
    )
    command.add_argument(
        "--characters",
        metavar="N",
        type=int,
        default=1000,
        help="the most different characters: more for Chinese or Japanese (default: 1000)",
    )
    command.add_argument(
        "--special",
        metavar="TOKEN",
        nargs="+",
        default=[],
        help="further special tokens, such as '[SPEAKER]'",
    )


def run(arguments):
    """Runs the command."""
    from kerasformer.text import WordPieceTokenizer

    folder = expanded(arguments.output)
    refuse_used(folder, " --output")
    start = time.monotonic()
    documents = read_raw_text(arguments)
    with step("Learning the vocabulary"):
        tokenizer = WordPieceTokenizer.train(
            documents,
            arguments.size,
            lowercase=not arguments.cased,
            strip_accents=arguments.strip_accents,
            min_frequency=arguments.min_frequency,
            characters=arguments.characters,
            special_tokens=arguments.special,
        )
    tokenizer.save_pretrained(folder, vocab_txt=True)
    seconds = time.monotonic() - start
    show(f"{tokenizer.vocab_size:,} tokens in {folder}, learnt in {seconds:.1f} s.")
    if tokenizer.vocab_size < arguments.size:
        show(f"The text has no more that occur {arguments.min_frequency} times.")
