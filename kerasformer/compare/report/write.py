"""Writing the report's files beside the record."""

from pathlib import Path

from kerasformer.compare.report.findings import Findings
from kerasformer.compare.report.record import validate_record
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
        The files: `table.md`, `quality_vs_time.png`, `learning_curves.png`, `report.html`, of
        classes `confusion_matrices.png`, and with a curve over labels `label_curve.png`.

    Raises:
        UserError: The record is damaged, the extra `compare` is not installed, or the folder
            cannot be written to.
    """
    return write_findings(validate_record(record), folder)


def write_findings(findings: Findings, folder) -> list[Path]:
    """`write_report` of a record that has been worked out."""
    folder = Path(folder)
    files = _render(findings, folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return [write_whole(folder / name, content) for name, content in files.items()]


def _render(findings, folder):
    """The content of every file by its name."""
    from kerasformer.compare.report import confusion, curve, html, plots
    from kerasformer.plots.figures import plot_style, png

    with plot_style():
        images = {
            "quality_vs_time": png(plots.quality_against_time(findings)),
            "learning_curves": png(plots.learning_curves(findings)),
        }
        if findings.label_curve:
            images["label_curve"] = png(curve.quality_against_labels(findings))
        if findings.quality.has_classes:
            names = findings.record["data"]["class_names"]
            matrices = confusion.confusion_matrices(findings.arms, names)
            images["confusion_matrices"] = png(matrices)
    return {
        # A lone surrogate, which JSON allows in a name, becomes a question mark.
        "table.md": markdown_table(findings).encode(errors="replace"),
        **{f"{name}.png": image for name, image in images.items()},
        "report.html": html.render_page(findings, images, folder).encode(errors="replace"),
    }
