"""Show how a word's vector changes with its context, layer by layer.

Compares the vectors of a word in different contexts, by their cosines in every layer, such as the
"bank" of a river and the "bank" that is robbed.
"""

import dataclasses
import json

from kerasformer.cli.options import add_encoding, add_json, add_model, output_file
from kerasformer.cli.text import show, table
from kerasformer.errors import UserError
from kerasformer.files import expanded
from kerasformer.formatting import readable

_SHOWN = 12  # occurrences; a matrix of more does not fit into a terminal


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument("word", metavar="WORD", help="the word")
    texts = command.add_mutually_exclusive_group(required=True)
    texts.add_argument("--texts", metavar="TEXT", nargs="+", help="texts with the word")
    texts.add_argument("--file", metavar="FILE", help="a file with one text a line")
    add_encoding(command)
    add_model(command)
    command.add_argument(
        "--layer",
        metavar="N",
        type=int,
        default=-1,
        help="the layer whose matrix is shown: from 0, the embeddings, or from -1, the last "
        "(default: -1)",
    )
    command.add_argument(
        "--limit",
        metavar="N",
        type=int,
        default=30,
        help="compare the first N occurrences (default: 30)",
    )
    command.add_argument(
        "--output",
        metavar="FILE",
        default="context.png",
        help="a .png with the matrix of every layer; that of the chosen layer is written beside it "
        "(default: context.png, beside it context-layer-N.png)",
    )
    add_json(command)


def run(arguments):
    """Runs the command."""
    from kerasformer.data.tables import read_lines
    from kerasformer.data.text_file import Dialect
    from kerasformer.files import write_whole, writing

    output = output_file(arguments.output, ".png")
    if arguments.limit < 2:
        raise UserError(f"--limit is {arguments.limit}, but a comparison takes 2 or more.")
    if arguments.texts and arguments.encoding:
        raise UserError("--encoding is of a --file: leave it out.")
    texts = arguments.texts
    if not texts:
        encoding = Dialect(encoding=arguments.encoding).encoding
        lines = read_lines(expanded(arguments.file), encoding)
        texts = (text for _, (text,) in lines.read(["text"]))
    contexts, layer = _compare(arguments, texts)
    beside = output.with_name(f"{output.stem}-layer-{layer}{output.suffix}")

    from kerasformer.analysis.context import plot_layer, plot_layers  # loads TensorFlow

    for path, picture in ((output, plot_layers(contexts)), (beside, plot_layer(contexts, layer))):
        with writing(path):
            write_whole(path, picture)
    if arguments.json:
        show(json.dumps(_record(contexts, layer, [output, beside])))
        return
    sections = [*_occurrences(contexts), *_layers(contexts)]
    if len(contexts.occurrences) <= _SHOWN:
        sections.append(_matrix(contexts, layer))
    show("\n\n".join([*sections, f"Written: {output}, {beside}"]))


def _compare(arguments, texts):
    from kerasformer.checkpoints import open_checkpoint
    from kerasformer.progress import stderr_to_nowhere

    layers = open_checkpoint(arguments.model).config.num_layers + 1
    if not -layers <= arguments.layer < layers:
        raise UserError(
            f"--layer is {arguments.layer}, but the model has 0 to {layers - 1} or {-layers} to -1."
        )
    with stderr_to_nowhere():  # TensorFlow's first messages heed no log level
        from kerasformer.analysis.context import word_contexts
        from kerasformer.embedder import TextEmbedder

        embedder = TextEmbedder.from_pretrained(arguments.model)
        contexts = word_contexts(embedder, arguments.word, texts, limit=arguments.limit)
    return contexts, arguments.layer % layers


def _record(contexts, layer, files):
    pairs, others = contexts.pairs(), contexts.others
    return {
        "word": contexts.word,
        "occurrences": [dataclasses.asdict(occurrence) for occurrence in contexts.occurrences],
        "more": contexts.more,
        "without": contexts.without,
        "layer": layer,
        "mean_cosine": pairs.mean(axis=1).tolist(),
        "others": [None if value != value else value for value in others.tolist()],
        "cosines": contexts.cosines.tolist(),
        "files": [str(file) for file in files],
    }


def _occurrences(contexts):
    found, tokens = contexts.occurrences, contexts.occurrences[0].tokens
    word = f"{len(tokens)} sub-words: {' '.join(tokens)}" if len(tokens) > 1 else tokens[0]
    sections = [
        f"{readable(contexts.word)} ({readable(word)}), {len(found):,} occurrences",
        table([[str(i), f"text {o.text + 1}", o.snippet] for i, o in enumerate(found, 1)], {0}),
    ]
    if contexts.more:
        sections.append(f"There are more: raise --limit above {len(found):,}.")
    if contexts.without:
        from kerasformer.analysis.occurrences import numbers

        sections.append(f"The word is not in text {numbers(contexts.without)}.")
    return sections


def _layers(contexts):
    """Each layer with its pairs' mean cosine, the pairs least and most alike, and other words."""
    import numpy as np

    first, second = np.triu_indices(len(contexts.occurrences), 1)
    rows = [["layer", "mean cosine", "least", "", "most", "", "other words"]]
    for layer, (cosines, other) in enumerate(zip(contexts.pairs(), contexts.others, strict=True)):
        row = [str(layer), f"{cosines.mean():z.2f}"]
        for index in (cosines.argmin(), cosines.argmax()):
            row += [f"{cosines[index]:z.2f}", f"{first[index] + 1} and {second[index] + 1}"]
        rows.append([*row, "–" if np.isnan(other) else f"{other:z.2f}"])
    return [
        table(rows, right={0, 1, 2, 4, 6}),
        "Layer 0 is the embeddings: there the same word differs by its position alone.\n"
        "Other words: mean cosine of two other tokens of different texts, to compare with.",
    ]


def _matrix(contexts, layer):
    numbers = [str(number) for number in range(1, len(contexts.occurrences) + 1)]
    rows = [["", *numbers]]
    for number, cosines in zip(numbers, contexts.cosines[layer], strict=True):
        rows.append([number, *(f"{cosine:z.2f}" for cosine in cosines)])
    return f"Cosines in layer {layer}\n\n" + table(rows, right=set(range(len(rows[0]))))
