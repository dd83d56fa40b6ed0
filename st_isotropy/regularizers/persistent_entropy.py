"""The penalty this package is about: the persistent-entropy deficit of the H0 barcode."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.barcodes import barcode
from st_isotropy.barcodes.distances import at_least_float32
from st_isotropy.entropy import entropy_deficit
from st_isotropy.regularizers.base import Regularizer


@dataclass(frozen=True)
class PersistentEntropy(Regularizer):
    r"""The normalized entropy deficit $1 - H / \ln m$ of the H0 barcode of L2-normalized embeddings, in [0, 1].

    It is 0 when all `m` bars are equally long. Entropy is invariant to translation and scale of the barcode, so by
    itself it cannot open a narrow cone; see `MSTLength` for a term that does.

    Example:
        >>> import torch
        >>> round(PersistentEntropy()(torch.eye(5)).item(), 6)
        0.0

    References:
        Kudriashov, Karpik and Klyshinsky 2025, "Shrink the longest: improving latent space isotropy with simplicial
        geometry" (arXiv 2501.05502).
    """

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "persistent_entropy"

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the deficit of embeddings `(n, d)`; a gradient-connected 0 when there are fewer than two bars."""
        return entropy_deficit(barcode(normalize(at_least_float32(embeddings), dim=1)).lengths)

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return """
@misc{kudriashov2025shrink,
    title={Shrink the longest: improving latent space isotropy with simplicial geometry},
    author={Sergei Kudriashov and Olesya Karpik and Eduard Klyshinsky},
    year={2025},
    eprint={2501.05502},
    archivePrefix={arXiv},
    url={https://arxiv.org/abs/2501.05502},
}
"""
