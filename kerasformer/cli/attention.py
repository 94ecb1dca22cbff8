"""Show which token attends to which, in every block and head.

Shows the attention of a text's tokens to each other: a table of what the heads attend to, and maps
of all heads, of one block's heads, or of one head. Of a classifier that is an LSTM with attention,
a folder that RecurrentClassifier wrote, it shows the weight of each word.
"""

import dataclasses
import itertools
import json
import operator
from statistics import fmean

from kerasformer.cli.options import add_json, add_model, output_file
from kerasformer.cli.text import show, table
from kerasformer.cli.word_weights import is_classifier, show_weights
from kerasformer.errors import UserError
from kerasformer.formatting import readable

_HEADINGS = {
    "cls": "to [CLS]",
    "sep": "to [SEP]",
    "previous": "to previous",
    "same": "to itself",
    "next": "to next",
    "entropy": "entropy, nats",
}


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument("text", metavar="TEXT", help="the text")
    command.add_argument("--pair", metavar="TEXT", help="a second text")
    add_model(command)
    command.add_argument("--block", metavar="N", type=int, help="one block, from 1")
    command.add_argument("--head", metavar="N", type=int, help="one head of the block, from 1")
    command.add_argument(
        "--output",
        metavar="FILE",
        default="attention.png",
        help="a .png, or an .npz with the weights [blocks, heads, tokens, tokens] and the tokens "
        "(default: attention.png)",
    )
    add_json(command)


def run(arguments):
    """Runs the command."""
    output = output_file(arguments.output, ".png", ".npz")
    if is_classifier(arguments.model):
        show_weights(arguments, output)
        return
    if arguments.head is not None and arguments.block is None:
        raise UserError("--head is a head of a block: give --block too.")
    maps, heads = _look(arguments)
    _write(output, maps, arguments.block, arguments.head)
    if arguments.json:
        record = {
            "tokens": maps.tokens,
            "segments": maps.segments,
            "left_out": maps.left_out,
            "heads": [dataclasses.asdict(head) for head in heads],
            "file": str(output),
        }
        show(json.dumps(record))
    else:
        show(_format(maps, heads, arguments.block))
        show(f"\nWritten: {output}")


def _look(arguments):
    from kerasformer.checkpoints import open_checkpoint
    from kerasformer.progress import stderr_to_nowhere

    checkpoint = open_checkpoint(arguments.model)
    _check_number("--block", arguments.block, checkpoint.config.num_layers, "blocks")
    _check_number("--head", arguments.head, checkpoint.config.num_heads, "heads in a block")
    tokenizer = checkpoint.read_tokenizer()
    with stderr_to_nowhere():  # TensorFlow's first messages heed no log level
        from kerasformer.analysis.attention import attention_maps, summarize_heads
        from kerasformer.models import BertEncoder

        encoder = checkpoint.load_encoder(BertEncoder)
        maps = attention_maps(encoder, tokenizer, arguments.text, arguments.pair)
    return maps, summarize_heads(maps)


def _check_number(option, number, count, what):
    if number is not None and not 1 <= number <= count:
        raise UserError(f"{option} is {number}, but the model has {count} {what}, numbered from 1.")


def _write(output, maps, block, head):
    import numpy as np

    from kerasformer.analysis.attention import plot_head, plot_heads
    from kerasformer.files import open_whole, write_whole, writing

    with writing(output):
        if output.suffix.lower() == ".npz":
            with open_whole(output) as stream:
                np.savez(stream, weights=maps.weights, tokens=np.array(maps.tokens))
        else:
            picture = plot_heads(maps, block) if head is None else plot_head(maps, block, head)
            write_whole(output, picture)


def _format(maps, heads, block) -> str:
    """The mean of each block's heads and the heads that stand out; or the heads of one block."""
    tokens = " ".join(map(readable, maps.tokens))
    text = f"{len(maps.tokens):,} tokens: {tokens}"
    if maps.left_out:
        text += f"\n{maps.left_out:,} more did not fit into the model and are cut off."
    if block is None:
        title, first, rest = "Mean of the heads", "block", [_strongest(heads)]
        blocks = itertools.groupby(heads, key=lambda head: head.block)
        rows = [[n, *map(fmean, zip(*map(_measures, of), strict=True))] for n, of in blocks]
    else:
        title, first, rest = f"Block {block}", "head", []
        rows = [[head.head, *_measures(head)] for head in heads if head.block == block]
    rows = [[number, *map("{:.2f}".format, values)] for number, *values in rows]
    rows.insert(0, [first, *_HEADINGS.values()])
    return "\n\n".join([text, title, table(rows, right=set(range(len(rows[0])))), *rest])


def _measures(head):
    return [getattr(head, name) for name in _HEADINGS]


def _strongest(heads):
    """The head with the most attention of each kind, and those with the least and most entropy."""
    chosen = [(heading, name, max) for name, heading in _HEADINGS.items() if name != "entropy"]
    chosen += [("narrowest, entropy", "entropy", min), ("widest, entropy", "entropy", max)]
    rows = []
    for heading, name, choose in chosen:
        head = choose(heads, key=operator.attrgetter(name))
        value = f"{getattr(head, name):.2f}"
        rows.append([heading, f"block {head.block}", f"head {head.head}", value])
    return "Heads that stand out\n\n" + table(rows, right={3})
