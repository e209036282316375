"""What people see: console, progress, TensorBoard, plots, HTML; no jax.

May import: analysis, workdir and what they import.
"""
