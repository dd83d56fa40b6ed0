"""Critical edges of the bars of H1 and above, from a homology engine."""

import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from itertools import chain, combinations
from math import isfinite
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from torch import Tensor

PATIENCE = 1  # seconds
InstalledEngine = Literal["redzed", "giotto-ph"]
Engine = Literal["auto"] | InstalledEngine


@torch.no_grad()
def critical_edges(distances: Tensor, dimension: int, engine: Engine = "auto") -> Tensor:
    """Find the edges at which the bars of one homology dimension of a Vietoris–Rips filtration are born and die.

    The engines run on the host: a matrix on another device is copied.

    Args:
        distances: Distance matrix of shape `(n, n)`; the larger of two unequal mirror entries counts.
        dimension: Homology dimension, 1 or more.
        engine: `redzed`, `giotto-ph`, or `auto` for the faster one that is installed. Where giotto-ph, asked for by
            name, takes more than a second, a warning names the other.

    Returns:
        Edges as an int64 tensor of shape `(m, 2, 2)` on the device of `distances`: for each finite bar longer than
        zero, the two ends of the edge that gives it birth, and of the edge that kills it.

    Raises:
        ImportError: If the engine is not installed.
        ValueError: If `dimension` is below 1, the engine unknown, or a distance NaN or infinite.

    Examples:
        >>> square = torch.tensor([[0.0, 0.0], [0.0, 3.0], [3.0, 3.0], [3.0, 0.0]])
        >>> birth, death = critical_edges(torch.cdist(square, square), dimension=1)[0]
        >>> (square[birth[0]] - square[birth[1]]).norm().item(), (square[death[0]] - square[death[1]]).norm().item()
        (3.0, 4.242640495300293)

    References:
        Bauer 2021, "Ripser" (arXiv 1908.02518); Burella Pérez et al. 2021, "giotto-ph" (arXiv 2107.05412);
        Kapulkin and Kershaw 2026, "RedZeD" (arXiv 2606.06310).
    """
    if dimension < 1:
        raise ValueError(f"The dimension is {dimension}; use 1 or more, or 0, for which `barcode` needs no engine.")
    edges_of = ENGINES[installed_engine(engine)]
    if not isfinite(distances.sum()):
        raise ValueError(
            f"The {len(distances)} x {len(distances)} distance matrix has a NaN or infinite entry; a barcode needs "
            "finite points, so find out where the embeddings overflow."
        )
    if len(distances) < 2 * dimension + 2:  # the smallest flag complex with a hole is the cross-polytope
        return torch.zeros(0, 2, 2, dtype=torch.int64, device=distances.device)
    # Engines read one triangle, and giotto-ph loses bars where the other differs by an ulp.
    symmetric = torch.maximum(distances, distances.T).cpu().numpy()
    began = perf_counter()
    edges = edges_of(symmetric, dimension)
    if engine == "giotto-ph" and perf_counter() - began > PATIENCE:
        warn_of_giotto(len(symmetric), dimension)
    return torch.from_numpy(edges).to(distances.device)


def installed_engine(engine: Engine) -> InstalledEngine:
    """Resolve `auto` to the fastest engine installed.

    Raises:
        ImportError: If the engine is not installed.
        ValueError: If there is no such engine.
    """
    if engine != "auto" and engine not in ENGINES:
        raise ValueError(f"The engine is {engine!r}, which is unknown; use 'auto', {', '.join(map(repr, ENGINES))}.")
    wanted: list[InstalledEngine] = list(MODULES) if engine == "auto" else [engine]
    for name in wanted:
        if is_installed(MODULES[name]):
            return name
    raise ImportError(
        f"Homology of dimension 1 and above needs {' or '.join(PACKAGES[name] for name in wanted)}, which is not "
        'installed; run `pip install "st-isotropy[homology]"`.'
    )


@cache
def is_installed(module: str) -> bool:
    """Whether a module can be imported; looking takes as long as the loops of a small cloud, so it is done once."""
    return find_spec(module) is not None


@cache
def warn_of_giotto(points: int, dimension: int) -> None:
    """Warn, once for each size of a cloud, that the other engine is faster; which clouds are slow shows in the time."""
    warnings.warn(
        f"giotto-ph takes more than {PATIENCE} s for the bars of dimension {dimension} of {points} points, for which "
        "redzed-tda needs a small part of that; use engine='redzed', or 'auto' for the faster one installed.",
        stacklevel=5,  # who called `barcode`
    )


def redzed_edges(distances: np.ndarray, dimension: int) -> np.ndarray:
    """Find critical edges with redzed-tda, which names simplices: the longest edge of a simplex is critical."""
    import redzed_tda

    _, simplices = redzed_tda.rips(distances, maxdim=dimension, simplex_pairs=True)
    finite = (birth + death for birth, death in simplices[dimension] if death)
    vertices = np.fromiter(chain.from_iterable(finite), dtype=np.int64).reshape(-1, 2 * dimension + 3)
    births, deaths = np.split(vertices, [dimension + 1], axis=1)
    return np.stack([longest_edges(births, distances), longest_edges(deaths, distances)], axis=1)


def longest_edges(simplices: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Pick the longest edge of each simplex, the first among equals: `(m, k)` vertices to `(m, 2)` ends."""
    edges = simplices[:, list(combinations(range(simplices.shape[1]), 2))]
    longest = distances[edges[..., 0], edges[..., 1]].argmax(axis=1)
    return edges[np.arange(len(edges)), longest]


def giotto_edges(distances: np.ndarray, dimension: int) -> np.ndarray:
    """Find critical edges with giotto-ph, on one thread: with more, ties are broken differently from run to run."""
    from gph import ripser_parallel

    generators = ripser_parallel(
        distances, metric="precomputed", maxdim=dimension, n_threads=1, return_generators=True
    )["gens"]
    return generators[1][dimension - 1].reshape(-1, 2, 2)


# Fastest first.
ENGINES: dict[InstalledEngine, Callable[[np.ndarray, int], np.ndarray]] = {
    "redzed": redzed_edges,
    "giotto-ph": giotto_edges,
}
MODULES: dict[InstalledEngine, str] = {"redzed": "redzed_tda", "giotto-ph": "gph"}
PACKAGES: dict[InstalledEngine, str] = {"redzed": "redzed-tda", "giotto-ph": "giotto-ph"}
