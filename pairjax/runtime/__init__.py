"""Many runs: vectorised, sharded, scheduled and trained in a workdir.

May import: analysis, workdir, training, models, data and what they import; no renderer.
"""
