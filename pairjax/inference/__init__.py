"""Trained runs: restored, evaluated, and applied to images from files.

May import: reporting, runtime and what they import.
"""
