"""PairNet: what it reaches and what each ingredient is worth.

May import: everything in pairjax.
"""
