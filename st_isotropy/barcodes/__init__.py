"""Embeddings `(n, d)` to bar lengths, differentiable."""

from st_isotropy.barcodes.bars import Barcode as Barcode
from st_isotropy.barcodes.bars import barcode as barcode
from st_isotropy.barcodes.bars import edge_lengths as edge_lengths
from st_isotropy.barcodes.mst import minimum_spanning_tree as minimum_spanning_tree
