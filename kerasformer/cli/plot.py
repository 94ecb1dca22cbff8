"""`kerasformer plot`."""

import argparse
from pathlib import Path

from kerasformer.cli.embed import add_vector_options
from kerasformer.errors import UserError, require

_BATCH = 1024  # texts embedded between two looks at the progress


def add_to(commands):
    """Adds the command to the parser of commands."""
    command = commands.add_parser(
        "plot",
        help="plot texts as points in the plane, near to each other where they are alike",
        description="Projects the vectors of texts into the plane, coloured by label where there "
        "are labels: a picture, and a page on which each point shows its text.",
        argument_default=argparse.SUPPRESS,  # what is not given keeps the default of the config
    )
    command.set_defaults(run=_run)
    command.add_argument(
        "source",
        metavar="INPUT",
        help="a folder that `kerasformer embed` wrote; or texts: a .txt file (one a line), .csv, "
        ".tsv, .jsonl (each also with .gz) or .parquet, a folder of such files, rotten-tomatoes, "
        "imdb or tfds:NAME",
    )
    command.add_argument(
        "--text-column", metavar="NAME", help="column of the text; several with commas between"
    )
    command.add_argument(
        "--label-column",
        metavar="NAME",
        help="column of the label (by default one with a usual name, if there is one)",
    )
    command.add_argument(
        "--no-header",
        dest="header",
        action="store_false",
        help="CSV and TSV files begin with data; columns are called 0, 1, ...",
    )
    command.add_argument(
        "--method",
        choices=("pca", "tsne"),
        default="pca",
        help="principal components (the default), or t-SNE, which shows groups of near texts "
        "better and distances worse",
    )
    command.add_argument(
        "--limit",
        metavar="N",
        type=int,
        default=2000,
        help="plot a sample of N of more texts (2000)",
    )
    command.add_argument(
        "--output",
        metavar="PATH",
        default=".",
        help="a .png, an .html, or a folder for both, plot.png and plot.html (by default this one)",
    )
    add_vector_options(command.add_argument_group("vectors (an embedded corpus has its own)"))


def _run(arguments):
    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    source, method, limit = (options.pop(name) for name in ("source", "method", "limit"))
    files = _files(Path(options.pop("output")).expanduser())
    if limit < 3:
        raise UserError(f"--limit is {limit}: give how many texts to plot, 3 or more.")
    columns = {
        name: options.pop(name)
        for name in ("text_column", "label_column", "header")
        if name in options
    }
    scatter = _scatter(source, method, limit, columns, options)
    _write(files, scatter)
    print(f"{len(scatter.texts):,} texts are plotted: {', '.join(map(str, files))}")
    return 0


def _files(output):
    """The files to write; what they need is known to be installed before the work begins."""
    if output.suffix.lower() in (".png", ".html"):
        files = [output]
    else:
        files = [output / "plot.png", output / "plot.html"]
    require("matplotlib", extra="plot")
    if any(file.suffix.lower() == ".html" for file in files):
        require("plotly", extra="plot")
        require("jinja2", extra="plot")
    return files


def _scatter(source, method, limit, columns, settings):
    """What to plot of a source."""
    from kerasformer.analysis.projection import project
    from kerasformer.analysis.text_sample import is_corpus
    from kerasformer.plots.scatter import Scatter

    read = _read_corpus if is_corpus(source) else _read_texts
    sample, vectors, config = read(source, limit, columns, settings)
    projection = project(vectors, method)
    notes = [_made_by(config)]
    if len(sample.texts) < sample.total:
        notes.append(f"A sample of {len(sample.texts):,} of its {sample.total:,} texts.")
    if method == "tsne":
        notes.append("t-SNE keeps near texts together; distances between groups mean little.")
    return Scatter(
        projection.points, sample.texts, sample.labels, projection.axes, sample.name, tuple(notes)
    )


def _read_corpus(folder, limit, columns, settings):
    from kerasformer.analysis.text_sample import sample_corpus
    from kerasformer.corpus import EmbeddedCorpus

    given = [name for name in (*columns, *settings) if name != "label_column"]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        raise UserError(
            f"{folder} is an embedded corpus with texts and vectors of its own: leave out {option}."
        )
    sample = sample_corpus(folder, limit, **columns)
    return sample, sample.vectors, EmbeddedCorpus(folder).manifest.job.config


def _read_texts(source, limit, columns, settings):
    import numpy as np

    from kerasformer.analysis.text_sample import plain_numbers, sample_texts
    from kerasformer.corpus.embedding import ConfiguredEmbedder, EmbeddingConfig
    from kerasformer.corpus.progress import CorpusProgress

    sample = sample_texts(source, limit, **columns)
    if len(sample.texts) < 3:
        raise UserError(f"{source} holds {len(sample.texts)} texts: give at least 3 to plot.")
    embedding, parts = ConfiguredEmbedder(EmbeddingConfig(**settings)), []
    with CorpusProgress("Embedding", len(sample.texts)) as progress:
        for start in range(0, len(sample.texts), _BATCH):
            parts.append(embedding(sample.texts[start : start + _BATCH]).vectors)
            progress.move_to(start + len(parts[-1]))
    config = embedding.config
    return sample, plain_numbers(np.concatenate(parts), config.dtype), config


def _made_by(config):
    """The model, and what was taken of it."""
    from kerasformer.formatting import plain

    settings = {"layers": config.layers, "pooling": config.pooling, "dimensions": config.dimensions}
    said = [f"{name} {plain(value)}" for name, value in settings.items() if value is not None]
    return f"Vectors: {'; '.join([config.model, *said])}."


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
