"""What helps a model on your data, and by how much on held-out queries: the command `improve` as a function."""

from st_isotropy.improve.encoding import encode_scored, encode_search
from st_isotropy.improve.improvement import CandidateResult, Improvement, SeenDocuments, improve
from st_isotropy.improve.inputs import ScoredTexts, SearchTexts, read_beir, read_pairs, read_scored
from st_isotropy.improve.intervals import Gain
from st_isotropy.improve.judgments import Judgment
from st_isotropy.improve.maps import AffineMap
from st_isotropy.improve.saving import save_improved, save_map
from st_isotropy.improve.selection import Choice
from st_isotropy.improve.tasks import ScoredTask, SearchTask
from st_isotropy.improve.verdict import state_verdict

__all__ = [
    "AffineMap",
    "CandidateResult",
    "Choice",
    "Gain",
    "Improvement",
    "Judgment",
    "ScoredTask",
    "ScoredTexts",
    "SearchTask",
    "SearchTexts",
    "SeenDocuments",
    "encode_scored",
    "encode_search",
    "improve",
    "read_beir",
    "read_pairs",
    "read_scored",
    "save_improved",
    "save_map",
    "state_verdict",
]
