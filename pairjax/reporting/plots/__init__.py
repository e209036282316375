"""Plots as PNG and PDF files.

May import: analysis, workdir and what they import.
"""
