"""pairjax: what weight sharing and auxiliary losses are worth when two images are compared."""

__version__ = '0.3.0'
