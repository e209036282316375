"""Both reports again: their searches, what they recorded, and the verdicts.

May import: everything in pairjax.
"""
