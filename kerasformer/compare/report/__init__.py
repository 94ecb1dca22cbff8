"""What a run of `kerasformer compare` found, as tables, plots and one page."""

from kerasformer.compare.report.record import load_record, validate_record
from kerasformer.compare.report.tables import format_summary
from kerasformer.compare.report.usage import usage
from kerasformer.compare.report.write import write_report

__all__ = ["format_summary", "load_record", "usage", "validate_record", "write_report"]
