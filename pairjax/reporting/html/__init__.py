"""One HTML page about experiments, which needs no other file.

May import: plots, analysis, workdir and what they import.
"""
