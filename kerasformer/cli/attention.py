"""`kerasformer attention`."""

import dataclasses
import json

from kerasformer.cli.options import add_json, add_model, output_file
from kerasformer.cli.text import readable, table
from kerasformer.errors import UserError

_HEADINGS = {
    "cls": "to [CLS]",
    "sep": "to [SEP]",
    "previous": "to previous",
    "same": "to itself",
    "next": "to next",
    "entropy": "entropy, nats",
}


def add_to(commands):
    """Adds the command to the parser of commands."""
    command = commands.add_parser(
        "attention",
        help="show which token attends to which, in every block and head",
        description="Shows the attention of a text's tokens to each other: a table of what the "
        "heads attend to, and maps of all heads, of one block's heads, or of one head.",
    )
    command.set_defaults(run=_run)
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


def _run(arguments):
    output = output_file(arguments.output, ".png", ".npz")
    if arguments.head is not None and arguments.block is None:
        raise UserError("--head is a head of a block: give --block too.")
    maps, heads = _look(arguments)
    _write(output, maps, arguments.block, arguments.head)
    if arguments.json:
        print(json.dumps(_record(maps, heads, output)))
    else:
        print(_format(maps, heads, arguments.block))
        print(f"\nWritten: {output}")
    return 0


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


def _record(maps, heads, output):
    return {
        "tokens": maps.tokens,
        "segments": maps.segments,
        "left_out": maps.left_out,
        "heads": [dataclasses.asdict(head) for head in heads],
        "file": str(output),
    }


def _format(maps, heads, block) -> str:
    """The mean of each block's heads and the heads that stand out; or the heads of one block."""
    tokens = " ".join(map(readable, maps.tokens))
    text = f"{len(maps.tokens):,} tokens: {tokens}"
    if maps.left_out:
        text += f"\n{maps.left_out:,} more did not fit into the model and are cut off."
    if block is not None:
        chosen = [head for head in heads if head.block == block]
        rows = [[head.head, *map(_number, _measures(head))] for head in chosen]
        return "\n\n".join([text, f"Block {block}", _table("head", rows)])
    blocks = sorted({head.block for head in heads})
    rows = [[number, *map(_number, _means(heads, number))] for number in blocks]
    return "\n\n".join([text, "Mean of the heads", _table("block", rows), _strongest(heads)])


def _measures(head):
    return [getattr(head, name) for name in _HEADINGS]


def _means(heads, block):
    columns = zip(*(_measures(head) for head in heads if head.block == block), strict=True)
    return [sum(column) / len(column) for column in columns]


def _number(value):
    return f"{value:.2f}"


def _table(first, rows):
    rows = [[first, *_HEADINGS.values()], *rows]
    return table(rows, right=set(range(len(rows[0]))))


def _strongest(heads):
    """The head with the most attention of each kind, and those with the least and most entropy."""

    def row(heading, head, name):
        return [heading, f"block {head.block}", f"head {head.head}", _number(getattr(head, name))]

    def strongest(name):
        return max(heads, key=lambda head: getattr(head, name))

    rows = [row(heading, strongest(name), name) for name, heading in _HEADINGS.items()]
    rows[-1][0] = "widest, entropy"
    least = min(heads, key=lambda head: head.entropy)
    rows.insert(-1, row("narrowest, entropy", least, "entropy"))
    return "Heads that stand out\n\n" + table(rows, right={3})
