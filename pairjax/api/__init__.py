"""What `import pairjax` offers: the commands of launch/ as functions. Imported by `pairjax` alone.

May import: everything in pairjax.
"""
