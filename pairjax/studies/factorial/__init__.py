"""What sharing and the auxiliary loss are worth, arm by arm and seed by seed.

May import: everything in pairjax.
"""
