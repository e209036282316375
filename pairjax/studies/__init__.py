"""What writes documents: reproduction, factorial study, PairNet, benchmark, statistics.

May import: everything in pairjax.
"""
