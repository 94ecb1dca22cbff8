"""Plot texts as points in the plane, similar ones close together.

Projects the vectors of texts into the plane, coloured by label where there are labels: a picture,
and a page on which each point shows its text.
"""

import argparse

from kerasformer.cli.embed import add_vector_options
from kerasformer.cli.options import add_reading, take_reading
from kerasformer.cli.text import show
from kerasformer.errors import UserError, require
from kerasformer.files import expanded


def add_options(command):
    """Adds the options to the parser of the command."""
    command.argument_default = argparse.SUPPRESS  # the defaults are EmbeddingConfig's
    command.add_argument(
        "source",
        metavar="INPUT",
        help="a folder written by `kerasformer embed`; or texts: a .txt file (one a line), .csv, "
        ".tsv, .jsonl (each also with .gz) or .parquet, a folder of such files, rotten-tomatoes, "
        "imdb or tfds:NAME",
    )
    command.add_argument(
        "--method",
        choices=("pca", "tsne"),
        default="pca",
        help="principal components (the default), or t-SNE, which shows groups of similar texts "
        "better, and distances worse",
    )
    command.add_argument(
        "--limit",
        metavar="N",
        type=int,
        default=2000,
        help="plot a sample of N texts where there are more (default: 2000)",
    )
    command.add_argument(
        "--output",
        metavar="PATH",
        default=".",
        help="a .png, an .html, or a folder for both, plot.png and plot.html "
        "(default: the current one)",
    )
    add_reading(command, label="column of the label (default: one with a usual name, if any)")
    add_vector_options(command.add_argument_group("vectors (an embedded corpus has its own)"))


def run(arguments):
    """Runs the command."""
    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    source, method, limit = (options.pop(name) for name in ("source", "method", "limit"))
    files = _files(expanded(options.pop("output")))
    if limit < 3:
        raise UserError(f"--limit is {limit}: give how many texts to plot, 3 or more.")
    reading = take_reading(options, "label_column")
    scatter = _scatter(source, method, limit, reading, options)
    _write(files, scatter)
    show(f"{len(scatter.texts):,} texts are plotted: {', '.join(map(str, files))}")


def _files(output):
    """The files to write; what they need is known to be installed before the work begins."""
    suffix = output.suffix.lower()
    if suffix in (".png", ".html"):
        files = [output]
    elif suffix[1:].isalpha() and not output.is_dir():
        raise UserError(
            f"--output is {output}: give a file that ends in .png or .html, or a folder."
        )
    else:
        files = [output / "plot.png", output / "plot.html"]
    require("matplotlib", extra="plot")
    if any(file.suffix.lower() == ".html" for file in files):
        require("plotly", extra="plot")
        require("jinja2", extra="plot")
    return files


def _scatter(source, method, limit, reading, settings):
    """What to plot of a source."""
    from kerasformer.analysis.projection import project
    from kerasformer.analysis.text_sample import is_corpus
    from kerasformer.formatting import plain
    from kerasformer.plots.scatter import Scatter

    read = _read_corpus if is_corpus(source) else _read_texts
    sample, vectors, config = read(source, limit, reading, settings)
    projection = project(vectors, method)
    said = {"layers": config.layers, "pooling": config.pooling, "dimensions": config.dimensions}
    said = [f"{name} {plain(value)}" for name, value in said.items() if value is not None]
    notes = [f"Vectors: {'; '.join([config.model, *said])}."]
    if len(sample.texts) < sample.total:
        notes.append(f"A sample of {len(sample.texts):,} of its {sample.total:,} texts.")
    if method == "tsne":
        notes.append("t-SNE keeps near texts together; distances between groups mean little.")
    return Scatter(
        projection.points, sample.texts, sample.labels, projection.axes, sample.name, tuple(notes)
    )


def _read_corpus(folder, limit, reading, settings):
    from kerasformer.analysis.text_sample import sample_corpus
    from kerasformer.corpus import EmbeddedCorpus

    given = [name for name in (*reading, *settings) if name != "label_column"]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        raise UserError(
            f"{folder} is an embedded corpus with texts and vectors of its own: leave out {option}."
        )
    sample = sample_corpus(folder, limit, **reading)
    return sample, sample.vectors, EmbeddedCorpus(folder).manifest.job.config


def _read_texts(source, limit, reading, settings):
    from kerasformer.analysis.text_sample import plain_numbers, sample_texts
    from kerasformer.corpus.embedding import ConfiguredEmbedder, EmbeddingConfig
    from kerasformer.progress import WorkProgress, step

    sample = sample_texts(source, limit, **reading)
    if len(sample.texts) < 3:
        raise UserError(f"{source} holds {len(sample.texts)} texts: give at least 3 to plot.")
    config = EmbeddingConfig(**settings)
    with step(f"Loading {config.model}"):
        embedder = ConfiguredEmbedder(config)
    with WorkProgress("Embedding", len(sample.texts)) as progress:
        embedder.advance = progress.advance
        vectors = embedder(sample.texts).vectors
    return sample, plain_numbers(vectors, config.dtype), embedder.config


def _write(files, scatter):
    from kerasformer.files import write_whole, writing
    from kerasformer.plots.figures import plot_style, png
    from kerasformer.plots.scatter import scatter_figure
    from kerasformer.plots.scatter_page import scatter_page

    with plot_style():
        image = png(scatter_figure(scatter))
    for file in files:
        is_page = file.suffix.lower() == ".html"
        content = scatter_page(scatter, image).encode(errors="replace") if is_page else image
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, content)
