"""Simulations of every interval and test that pairjax prints, and docs/statistics.md.

May import: analysis, reporting and what they import.
"""
