"""What the bench measures: barcodes, selection and a training step, against the peers found installed."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn.functional import normalize

from evaluation.bench.cell import cell
from evaluation.bench.improve import improve_costs
from evaluation.bench.stopwatch import (
    FASTER,
    MEGABYTES,
    MS,
    OVER,
    Figure,
    alternate,
    cost,
    durations,
    in_fresh_process,
    speed_up,
)
from evaluation.train.catalog import REGULARIZERS, Kind
from st_isotropy.barcodes import barcode
from st_isotropy.barcodes.bars import EdgeLengths
from st_isotropy.barcodes.large import large_tree
from st_isotropy.barcodes.mst import prim
from st_isotropy.barcodes.rips import MODULES, Engine, InstalledEngine
from st_isotropy.barcodes.selection import count_prominent

DIMENSION = 384
NUMBA, NUMPY, PEER = "ours (numba)", "ours (numpy)", "torch-topological"
BASE = "base loss"

SENTENCE_TERMS = ("persistent_entropy", "entropy_and_spread", "entropy_h0_h1")
TOKENS = 512  # as many as the loss draws for a cloud of tokens at most

# Times faster than torch-topological, forward and backward.
H0_TARGETS = {
    NUMBA: {64: 3.0, 256: 6.0, 512: 6.0, 1024: 7.0, 4096: 7.0},
    NUMPY: {64: 1.2, 256: 2.5, 512: 3.0, 1024: 3.5, 4096: 3.5},
}
# Time over that of the squared distances alone.
H0_LIMITS = {
    NUMBA: {256: 1.7, 512: 1.7, 1024: 1.5, 4096: 1.5},
    NUMPY: {1024: 2.7, 4096: 2.7},
}
SAME_BARCODE = 1.03  # the most that other arithmetic on the same bars may take
H1_TARGETS = {("gauss", 128): 2.0, ("gauss", 256): 2.0, ("gauss", 512): 3.0, ("clustered", 512): 10.0}


def cloud(kind: str, n: int) -> Tensor:
    """Draw n points in 384 dimensions: isotropic, a narrow cone, or 16 clusters on the sphere, tight or loose."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(n, DIMENSION, generator=generator)
    if kind == "gauss":
        return noise
    if kind == "cone":
        return normalize(1 + 0.3 * noise, dim=1)
    centers = normalize(torch.randn(16, DIMENSION, generator=generator), dim=1)
    spread = {"clustered": 0.05, "loosely clustered": 0.3}[kind]
    return normalize(centers[torch.arange(n) % 16] + spread * normalize(noise, dim=1), dim=1)


def h0() -> Iterator[Figure]:
    """H0 bars, forward and backward."""
    ours = NUMBA if find_spec("numba") else NUMPY
    for n in (64, 256, 512, 1024, 4096):
        for kind in ("gauss", "cone", "clustered"):
            points = cloud(kind, n).requires_grad_()
            contenders: dict[str, Callable[[], object]] = {ours: partial(h0_ours, points)}
            contenders[NUMPY] = partial(h0_numpy, points)
            if find_spec("torch_topological"):
                contenders[PEER] = partial(torch_topological, points, 0)
            contenders["squared distances"] = partial(squared_distances, points)
            case = f"{kind}, n={n}"
            times = alternate(contenders)
            yield from durations(case, times)
            for name in dict.fromkeys((ours, NUMPY)):
                if PEER in times:
                    yield speed_up(case, times, name, PEER, H0_TARGETS[name][n])
                if n in H0_LIMITS[name]:
                    yield cost(case, times, name, "squared distances", H0_LIMITS[name][n])
            if n in (64, 256):
                yield from absolute_scale(case, points)
    yield from memory("cone, n=4096", {ours: h0_ours_of, PEER: h0_peer_of}, ("cone", 4096))


def absolute_scale(case: str, points: Tensor) -> Iterator[Figure]:
    """Entropy on the absolute scale beside the relative one: the same barcode, and other arithmetic on its bars."""
    relative, absolute = "entropy, relative", "entropy, absolute"
    scales = {relative: REGULARIZERS["persistent_entropy"](), absolute: REGULARIZERS["absolute_entropy"]()}
    times = alternate({name: partial(terms_of_all, kind, [points]) for name, kind in scales.items()})
    yield from durations(case, times)
    yield cost(case, times, absolute, relative, SAME_BARCODE)


def h1() -> Iterator[Figure]:
    """H0 and H1 bars, forward and backward."""
    engines: list[InstalledEngine] = [name for name, module in MODULES.items() if find_spec(module)]
    kinds = ("gauss", "cone", "clustered", "loosely clustered")
    for kind, n in ((kind, n) for n in (64, 128, 256, 512) for kind in kinds):
        points = cloud(kind, n).requires_grad_()
        contenders: dict[str, Callable[[], object]] = {}
        for engine in engines:
            contenders[f"ours ({engine})"] = partial(h1_ours, points, engine)
        if find_spec("torch_topological"):
            contenders[PEER] = partial(torch_topological, points, 1)
        times = alternate(contenders)
        case = f"{kind}, n={n}"
        yield from durations(case, times)
        if PEER in times and engines:
            yield speed_up(case, times, f"ours ({engines[0]})", PEER, H1_TARGETS.get((kind, n)))
    if engines == list(MODULES):
        case = "clustered, n=1024"
        costs = {name: in_fresh_process(h1_of, ("gauss", 64, name), ("clustered", 1024, name)) for name in engines}
        ours, giotto = costs["redzed"], costs["giotto-ph"]
        for name, spent in costs.items():
            yield Figure(case, f"ours ({name})", MS, 1e3 * spent.seconds)
            limit = 100.0 if name == "redzed" else None
            yield Figure(case, f"ours ({name})", MEGABYTES, spent.megabytes, at_most=limit)
        yield Figure(case, "ours (redzed)", FASTER, giotto.seconds / ours.seconds, at_least=20.0, peer="giotto-ph")


def select() -> Iterator[Figure]:
    """Prominent bars among 256."""
    generator = torch.Generator().manual_seed(0)
    drawn = {
        "bars of an isotropic cloud": barcode(cloud("gauss", 257)).lengths,
        "uniform lengths": torch.rand(256, generator=generator),
    }
    for case, lengths in drawn.items():
        times = alternate({"ours": partial(count_prominent, lengths), "loop": partial(prominent_by_loop, lengths)})
        yield from durations(case, times)
        yield speed_up(case, times, "ours", "loop", 20.0)


def step() -> Iterator[Figure]:
    """A training step of MiniLM with the term and without, and terms alone: pairs of 32 tokens, AdamW."""
    for pairs in (64, 256):
        points = {**dict.fromkeys(SENTENCE_TERMS, pairs), "token_entropy": TOKENS}
        alone = {
            f"{name} alone": partial(
                terms_of_all, REGULARIZERS[name](), [cloud("gauss", n).requires_grad_() for _ in range(2)]
            )
            for name, n in points.items()
            if name != "entropy_h0_h1" or any(map(find_spec, MODULES.values()))
        }
        times = alternate({**training_steps(pairs), **alone}, seconds=60)
        case = f"MiniLM, {pairs} pairs of 32 tokens"
        yield from durations(case, times)
        for name in ("with the term", *alone):
            yield cost(case, times, name, BASE, None)


def training_steps(pairs: int) -> dict[str, Callable[[], object]]:
    """A training step of MiniLM on pairs of 32 tokens, by name: of the base loss, and with the term."""
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from evaluation.models.load import load_model
    from st_isotropy.losses import PersistentEntropyLoss

    model = load_model("minilm")
    base = MultipleNegativesRankingLoss(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
    tokens = torch.randint(1000, 20_000, (2, pairs, 32), generator=torch.Generator().manual_seed(0))

    def train(loss: torch.nn.Module) -> None:
        columns = [{"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in tokens]
        value = loss(columns, None)
        torch.stack(list(value.values()) if isinstance(value, dict) else [value]).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    return {BASE: partial(train, base), "with the term": partial(train, PersistentEntropyLoss(model, base))}


def large() -> Iterator[Figure]:
    """Trees of 50,000 points, against one exact nearest-neighbor pass of faiss over them."""
    n = 50_000
    for kind in ("gauss", "cone", "clustered"):
        case = f"{kind}, n={n}"
        ours = in_fresh_process(tree_of, (kind, 1000), (kind, n))
        yield Figure(case, "ours", MS, 1e3 * ours.seconds)
        yield Figure(case, "ours", MEGABYTES, ours.megabytes, at_most=1500.0)
        if find_spec("faiss"):
            faiss = in_fresh_process(faiss_pass, (kind, 1000), (kind, n))
            yield Figure(case, "faiss, one pass", MS, 1e3 * faiss.seconds)
            yield Figure(case, "ours", OVER, ours.seconds / faiss.seconds, at_most=4.0, peer="faiss")


def memory(case: str, contenders: dict[str, Callable[..., object]], full: tuple[object, ...]) -> Iterator[Figure]:
    """Report the peak memory of contenders, each in a process of its own."""
    for name, work in contenders.items():
        if name != PEER or find_spec("torch_topological"):
            yield Figure(case, name, MEGABYTES, in_fresh_process(work, ("gauss", 64), full).megabytes)


def h0_ours(points: Tensor) -> None:
    """The barcode as users call it, without adding its gradient to an earlier one."""
    torch.autograd.grad(barcode(points).lengths.sum(), points)


def terms_of_all(kind: Kind, clouds: list[Tensor]) -> None:
    """A regularizer's weighted penalties of one batch, a cloud a column."""
    terms = torch.stack([share * penalty(points) for penalty, share in kind.terms for points in clouds])
    torch.autograd.grad(terms.sum(), clouds)


def h0_numpy(points: Tensor) -> None:
    """The barcode where numba is not installed."""
    edges = torch.from_numpy(prim(points.detach().numpy(), None))
    torch.autograd.grad(EdgeLengths.apply(points, edges).sum(), points)


def h1_ours(points: Tensor, engine: Engine) -> None:
    """Bars of dimension 0 and 1 as users call them."""
    lengths = [barcode(points, dimension, engine).lengths.sum() for dimension in (0, 1)]
    torch.autograd.grad(torch.stack(lengths).sum(), points)


def torch_topological(points: Tensor, dimension: int) -> None:
    """The peer, up to a homology dimension."""
    from torch_topological.nn import VietorisRipsComplex

    found = VietorisRipsComplex(dim=dimension)(points)
    lengths = torch.stack([(bars.diagram[:, 1] - bars.diagram[:, 0]).sum() for bars in found])
    torch.autograd.grad(lengths.sum(), points)


def squared_distances(points: Tensor) -> Tensor:
    """The matrix that every exact search needs, without gradient."""
    with torch.no_grad():
        norms = points.square().sum(dim=1)
        return torch.addmm(norms, points, points.T, alpha=-2).add_(norms[:, None])


def prominent_by_loop(lengths: Tensor) -> int:
    """Count prominent bars as published: bar by bar, with the entropy of every tail computed anew."""
    bars = lengths.sort(descending=True).values
    bars = torch.cat([bars[1:], bars[:1]])
    alpha = bars[-2] / bars[-1]
    while True:
        total, kept = bars.sum(), 1
        for kept in range(1, len(bars) - 2):
            tail = bars[kept:]
            shares = tail / tail.sum()
            before, total = total, tail.sum() * (1 + kept / torch.exp(-(shares * shares.log()).sum()))
            if before / total < 1:
                break
        if torch.ceil(len(bars) * alpha * (alpha - 1 - alpha.log()) / (alpha - 1) ** 2) >= kept:
            return kept + 1
        bars = torch.cat([bars[:kept], bars[-2:]])


def h0_ours_of(kind: str, n: int) -> None:
    """The barcode of a cloud drawn here, for a process of its own."""
    h0_ours(cloud(kind, n).requires_grad_())


def h0_peer_of(kind: str, n: int) -> None:
    """The peer's barcode of a cloud drawn here, for a process of its own."""
    torch_topological(cloud(kind, n).requires_grad_(), 0)


def h1_of(kind: str, n: int, engine: Engine) -> None:
    """Loops of a cloud drawn here, for a process of its own."""
    h1_ours(cloud(kind, n).requires_grad_(), engine)


def tree_of(kind: str, n: int) -> None:
    """The tree of a large cloud drawn here, for a process of its own."""
    large_tree(cloud(kind, n))


def faiss_pass(kind: str, n: int) -> None:
    """One exact search for the nearest neighbor of every point, for a process of its own."""
    import faiss

    faiss.omp_set_num_threads(1)
    points = cloud(kind, n).numpy()
    index = faiss.IndexFlatL2(DIMENSION)
    index.add(points)
    index.search(points, 1)


SUITES: dict[str, Callable[..., Iterator[Figure]]] = {
    "h0": h0,
    "h1": h1,
    "select": select,
    "step": step,
    "large": large,
    "cell": cell,
    "improve": improve_costs,
}
