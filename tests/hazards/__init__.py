"""Notebooks that are hard to lift, and what they really compute."""
