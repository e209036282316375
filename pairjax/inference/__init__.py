"""Trained runs: restored, evaluated, and asked about images from files.

May import: reporting, runtime and what they import.
"""
