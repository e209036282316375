"""Flax modules, their registry, and how digit logits decide a pair.

May import: ops, data.pairs, config, errors.
"""
