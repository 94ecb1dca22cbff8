"""The words of a text and their weights, by a classifier that attends to them."""

import json

from kerasformer.cli.text import show, table
from kerasformer.errors import UserError


def is_classifier(source) -> bool:
    """Whether a model is a classifier's own folder, and no encoder."""
    from kerasformer.sources import resolve

    return (resolve(source) / "classifier.json").is_file()


def show_weights(arguments, output):
    """Prints the weights of the words of a text, and writes them as a picture or arrays."""
    for option in ("pair", "block", "head"):
        if getattr(arguments, option) is not None:
            raise UserError(f"--{option} is for an encoder: this model weighs the words of a text.")
    from kerasformer.progress import stderr_to_nowhere

    with stderr_to_nowhere():  # TensorFlow's first messages heed no log level
        from kerasformer.tasks import RecurrentClassifier, load

        model = load(arguments.model)
        if not isinstance(model, RecurrentClassifier):
            raise UserError(
                f"{arguments.model} is a {type(model).__name__}, which does not tell what it "
                "attends to: give a RecurrentClassifier or an encoder."
            )
        (name,), found = model.classify([arguments.text]), model.attention(arguments.text)
    words, weights = zip(*found, strict=True)
    _write(output, words, weights)
    if arguments.json:
        record = {"class": name, "words": words, "weights": weights, "file": str(output)}
        show(json.dumps(record))
        return
    rows = [["word", "weight"], *([word, f"{weight:.3f}"] for word, weight in found)]
    show(f"Class: {name}\n\n{table(rows, right={1})}\n\nWritten: {output}")


def _write(output, words, weights):
    import numpy as np

    from kerasformer.files import open_whole, write_whole, writing
    from kerasformer.plots.heatmap import heat_map

    with writing(output):
        if output.suffix.lower() == ".npz":
            with open_whole(output) as stream:
                np.savez(stream, weights=np.array(weights, "float32"), tokens=np.array(words))
        else:
            title = "Weight of each word"
            picture = heat_map(
                [weights], ["weight"], words, value_label="Attention weight", title=title
            )
            write_whole(output, picture)
