"""Numbers only: statistics, summaries, paired comparisons, error analysis; no jax.

May import: workdir, trials, config, errors.
"""
