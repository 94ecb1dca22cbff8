"""Tokenize raw text once, into a folder to pretrain from as often as wanted.

Writes the token ids of text of any size, and their vocabulary: one that is given (--vocab), that of
a published model to go on from (--from), or one that is learnt from the text. kerasformer pretrain
takes the folder in place of the text. All cores of this machine tokenize, or a cluster does
(--engine ray).
"""

import shlex

from kerasformer.cli.options import VOCABULARY, add_raw_text, read_raw_text
from kerasformer.cli.text import show
from kerasformer.errors import require
from kerasformer.files import expanded


def add_options(command):
    """Adds the options to the parser of the command."""
    add_raw_text(command)
    command.add_argument("--output", metavar="DIR", required=True, help="new folder of the corpus")
    group = command.add_argument_group("vocabulary").add_mutually_exclusive_group()
    for option, given in VOCABULARY.items():
        group.add_argument(option, **given)
    group.add_argument(
        "--from",
        metavar="SOURCE",
        dest="pretrained",
        help="the vocabulary of a published model: a folder, hf://owner/name, or a preset",
    )
    command.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray works on the cluster that RAY_ADDRESS names (default: local)",
    )


def run(arguments):
    """Runs the command."""
    from kerasformer.data.raw import corpus_files

    folder = expanded(arguments.output)
    try:
        corpus = _written(arguments, folder)
    except KeyboardInterrupt:
        if corpus_files.is_here(folder):  # once all is written it is read
            raise
        raise KeyboardInterrupt("nothing was written") from None
    show(f"{folder}: documents {len(corpus):,}, sentences {corpus.sentence_count:,}, tokens "
         f"{corpus.token_count:,}, vocabulary {corpus.vocab_size:,}.")  # fmt: skip
    given = [str(folder)]
    if arguments.pretrained is not None:
        given += ["--from", arguments.pretrained]
    show(f"To pretrain: kerasformer pretrain {shlex.join(given)} --minutes 20 --output DIR")


def _written(arguments, folder):
    """The corpus, once it is in the folder."""
    from kerasformer.checkpoints import open_checkpoint
    from kerasformer.data.raw import TokenCorpus, corpus_files
    from kerasformer.data.raw.vocabulary import read_or_learnt

    corpus_files.refuse_used_folder(folder)  # before anything is read
    options = _engine(arguments.engine)
    documents = read_raw_text(arguments)
    if arguments.pretrained is not None:
        tokenizer = open_checkpoint(arguments.pretrained).read_tokenizer()
    else:
        tokenizer = read_or_learnt(arguments.vocabulary, documents, arguments.vocab_size)
    return TokenCorpus.write(documents, tokenizer, folder, **options)


def _engine(name):
    """The arguments of `TokenCorpus.write` that say where tokens are made."""
    if name == "local":
        return {}
    require("ray", extra="ray", what="--engine ray")
    from kerasformer.corpus import encoded_on_ray

    return {"encode": encoded_on_ray}
