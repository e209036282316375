"""Training timed against PyTorch programs.

May import: everything in pairjax.
"""
