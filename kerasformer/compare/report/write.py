"""Writing the report's files beside the record."""

from pathlib import Path

from kerasformer.compare.report.record import validate_record
from kerasformer.compare.report.summary import summarize
from kerasformer.compare.report.tables import markdown_table
from kerasformer.files import write_whole, writing


def write_report(record: dict, folder) -> list[Path]:
    """Writes the table, the plots and the page of one comparison.

    Everything is made before the first file is written, and each file is replaced as a whole, so
    an interruption leaves the old file or the new one.

    Args:
        record: What `kerasformer compare` recorded; an interrupted run's record will do.
        folder: Output folder, created if missing.

    Returns:
        The files: `table.md`, `quality_vs_time.png`, `learning_curves.png`,
        `confusion_matrices.png`, `report.html`.

    Raises:
        UserError: The record is damaged, the extra `compare` is not installed, or the folder
            cannot be written to.
    """
    validate_record(record)
    folder = Path(folder)
    files = _render(record, folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return [write_whole(folder / name, content) for name, content in files.items()]


def _render(record, folder):
    """The content of every file by its name."""
    from kerasformer.compare.report import html, plots
    from kerasformer.plots.figures import plot_style, png

    arms, names = summarize(record), record["data"]["class_names"]
    with plot_style():
        images = {
            "quality_vs_time": png(plots.quality_against_time(arms)),
            "learning_curves": png(plots.learning_curves(record)),
            "confusion_matrices": png(plots.confusion_matrices(arms, names)),
        }
    return {
        # A lone surrogate, which JSON allows in a name, becomes a question mark.
        "table.md": markdown_table(record).encode(errors="replace"),
        **{f"{name}.png": image for name, image in images.items()},
        "report.html": html.render_page(record, images, folder).encode(errors="replace"),
    }
