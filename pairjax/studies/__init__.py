"""What writes documents: reproduction, factorial study, PairNet, benchmark.

May import: everything in pairjax.
"""
