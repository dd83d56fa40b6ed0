"""The parameters that every variant's indexes get, chosen once from the start model."""

from collections.abc import Sequence

from evaluation.errors import check_name
from evaluation.measured import ChosenIndex, Setting, Status
from evaluation.models.embeddings import RetrievalEmbeddings
from evaluation.processes import one_thread
from evaluation.retrieval.indexes import KINDS, IndexKind
from evaluation.retrieval.search import Qrels, VariantSearch

BAND = (0.70, 0.95)  # share of exact nDCG@10 that the start model should keep, so that a variant can gain or lose


def choose_indexes(
    start: RetrievalEmbeddings, qrels: Qrels, names: Sequence[str], seeds: Sequence[int]
) -> list[ChosenIndex]:
    """Choose the parameters of each index once, from the start model.

    Each index has a documented ladder of settings from coarse to fine (`evaluation.retrieval.indexes`). The rung is
    taken whose share of the start model's exact nDCG@10 is nearest to the middle of 70-95 %; the ladder is climbed
    with the first seed, until that middle is passed, and the share that is reported is averaged over all seeds.

    Args:
        start: Embeddings of the start model.
        qrels: Grades of documents for queries, `{query id: {document id: grade}}`.
        names: Names of the indexes.
        seeds: Index seeds to average over.

    Returns:
        One choice per name, in the same order.

    Raises:
        UserError: An index is unknown, or no query has a relevant document in the corpus.
    """
    for name in names:
        check_name("index", name, KINDS)
    with one_thread():
        search = VariantSearch(start, qrels, seeds)
        chosen: dict[str, ChosenIndex] = {}
        for name in names:
            followed = KINDS[name].follows
            if followed and followed not in chosen:
                chosen[followed] = _choose(KINDS[followed], search, None)
            chosen[name] = _choose(KINDS[name], search, chosen.get(followed))
        return [chosen[name] for name in names]


def no_faiss_check(model: str) -> str:
    """Say why a model has no FAISS check."""
    return (
        f"There is no FAISS check: the indexes here search by cosine, and {model} scores by another similarity, by "
        "which other documents can be the nearest."
    )


def _choose(kind: IndexKind, search: VariantSearch, followed: ChosenIndex | None) -> ChosenIndex:
    documents, dimensions = search.variant.corpus.shape
    if kind.exact:
        return ChosenIndex(kind.name, {}, "exact", 1.0 if search.exact_ndcg else None)
    if documents < kind.needs(dimensions):
        reason = f"it needs {kind.needs(dimensions)} documents and the corpus has {documents}"
        return ChosenIndex(kind.name, None, "left out", None, f"{kind.name} is left out: {reason}.")
    ladder = kind.ladder(documents, dimensions)
    if followed and followed.setting is not None:
        ladder = [followed.setting]
    if not search.exact_ndcg:
        note = "The start model finds nothing by exact search, so there is no retention."
        return ChosenIndex(kind.name, ladder[-1], "out of range", None, note)
    middle = sum(BAND) / 2
    tried: list[tuple[float, Setting]] = []
    for setting in ladder:
        tried.append((search.retention(kind, setting, search.seeds[:1]), setting))
        if tried[-1][0] >= middle:
            break
    _, setting = min(tried, key=lambda rung: abs(rung[0] - middle))
    retention = search.retention(kind, setting, search.seeds)
    status: Status = "in range" if BAND[0] <= retention <= BAND[1] else "out of range"
    if retention > BAND[1]:
        status = "no headroom"
    note = "" if status == "in range" else f"{status}: the start model keeps {retention:.0%} of its exact nDCG@10."
    return ChosenIndex(kind.name, setting, status, retention, note)
