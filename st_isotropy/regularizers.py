"""Regularizers: embeddings `(n, d)` to a 0-dim penalty."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.barcodes import barcode
from st_isotropy.barcodes.distances import at_least_float32
from st_isotropy.entropy import entropy_deficit


class Regularizer(ABC):
    """A penalty on the geometry of one point cloud.

    A subclass gives a `name`, under which its term is logged as `<name>_loss`, and `__call__`. It keeps no state.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Short snake_case name of the penalty."""

    @abstractmethod
    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings of shape `(n, d)` as a 0-dim tensor, differentiable, smaller is better."""

    @property
    def citation(self) -> str:
        """BibTeX of the method, for the model card; empty when there is none."""
        return ""


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


@dataclass(frozen=True)
class MSTLength(Regularizer):
    r"""How far the mean edge of the minimum spanning tree of L2-normalized rows is from its largest possible value.

    The largest mean edge of `n` rows on the unit sphere is that of a regular simplex, $\sqrt{2n/(n-1)}$. The penalty
    lies in [0, √(2n/(n−1))] and falls as rows spread, so it opens a cone and works against dimensional collapse.

    Example:
        >>> import torch
        >>> MSTLength()(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item()
        0.0

    References:
        Mordacq, Loiseaux, Kalogeiton and Oudot 2025, "T-REGS: minimum spanning tree regularization for self-supervised
        learning" (arXiv 2510.23484).
    """

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "mst_length"

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 when there is no edge."""
        count = len(embeddings)
        if count < 2:
            return embeddings.sum() * 0
        return math.sqrt(2 * count / (count - 1)) - barcode(normalize(embeddings, dim=1)).lengths.mean()

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return """
@misc{mordacq2025tregs,
    title={T-REGS: Minimum Spanning Tree Regularization for Self-Supervised Learning},
    author={Julie Mordacq and David Loiseaux and Vicky Kalogeiton and Steve Oudot},
    year={2025},
    eprint={2510.23484},
    archivePrefix={arXiv},
    url={https://arxiv.org/abs/2510.23484},
}
"""
