"""Figures and pages that more than one part of the package draws."""
