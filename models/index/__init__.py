"""The vector index: the best items by inner product, whatever the size of the catalogue, of rows that may be shown.

`vector_index.py` is the door: `VectorIndex`. Behind it lie what a bundle was published with, exact or in inverted
lists (`config.py` says which), and what came since (`delta.py`). See docs/vector-index.md for the measurements.
"""
