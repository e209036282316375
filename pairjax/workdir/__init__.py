"""Everything on disk: config, metrics log, schema, checkpoints, lock, status.

May import: config, trials, errors; no jax but in checkpoints.
"""
