"""Point clouds that break barcode code, by name, and a slow barcode that cannot be wrong."""

import numpy as np
import torch


def gauss(n=64, d=24, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def cone(n=64, d=24, seed=0):
    return torch.nn.functional.normalize(gauss(n, d, seed) * 0.05 + 1.0, dim=1)


def clustered(n=64, d=24, seed=0):
    return torch.nn.functional.normalize(gauss(4, d, seed)[torch.arange(n) % 4] + 0.1 * gauss(n, d, seed + 1), dim=1)


def grid(side=7):
    axis = torch.arange(float(side))
    return torch.cartesian_prod(axis, axis)


def duplicates(n=40, d=24, seed=0):
    return gauss(n // 2, d, seed)[torch.arange(n) % (n // 2)]


def near_duplicates(spacing, groups=32, each=8, d=384, seed=0):
    centers = gauss(groups, d, seed) / d**0.5
    return (centers[:, None] + spacing * gauss(groups * each, d, seed + 1).view(groups, each, d) / d**0.5).flatten(0, 1)


CLOUDS = {
    "gauss": gauss(),
    "cone": cone(),
    "clustered": clustered(),
    "grid": grid(),
    "duplicates": duplicates(),
    "one_place": torch.ones(9, 5),
    "near_duplicates": near_duplicates(1e-4, groups=6, each=5, d=32),
    "outlier": torch.cat([gauss(30, 24), torch.full((1, 24), 1e4)]),
    "far_pair": torch.cat([gauss(30, 24), torch.full((2, 24), 1e3) + torch.tensor([[0.0], [0.02]])]),
    "simplex": torch.eye(12),
    "pair": gauss(2, 3),
    "triple": gauss(3, 3),
}


def bars_by_hand(points):
    """Sorted H0 bar lengths by Prim's algorithm on float64 differences."""
    points = np.asarray(points, dtype=np.float64)
    outside = list(range(1, len(points)))
    nearest = {j: np.linalg.norm(points[j] - points[0]) for j in outside}
    bars = []
    while outside:
        chosen = min(outside, key=nearest.__getitem__)
        outside.remove(chosen)
        bars.append(nearest[chosen])
        for j in outside:
            nearest[j] = min(nearest[j], np.linalg.norm(points[j] - points[chosen]))
    return np.sort(bars)
