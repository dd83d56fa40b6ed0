"""Embeddings `(n, d)` to bar lengths, differentiable."""

from st_isotropy.barcodes.bars import Barcode, barcode, edge_lengths
from st_isotropy.barcodes.mst import minimum_spanning_tree

__all__ = [
    "Barcode",
    "barcode",
    "edge_lengths",
    "minimum_spanning_tree",
]
