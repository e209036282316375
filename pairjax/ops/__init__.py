"""Convolution, pooling and batch norm as fast matrix products, with plain references beside them.

May import: nothing of pairjax.
"""
