"""Answers to questions as parts of texts."""
