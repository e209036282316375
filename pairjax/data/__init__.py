"""Labelled images from any source, made 14x14, and the pairs drawn from them.

May import: config, errors, system.
"""
