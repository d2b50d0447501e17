"""Notebook -> recording -> slices -> steps -> pipeline source."""
