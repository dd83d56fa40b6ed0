"""Loading a model for what it is, and what writes pages."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.util import load_file_path

_CONFIGURATION = "config_sentence_transformers.json"


def load_dense(name: str, local_files_only: bool = False) -> SentenceTransformer:
    """Load a model of dense embeddings; sentence-transformers would make one of any other kind, by mean pooling.

    Args:
        name: Folder or hub name.
        local_files_only: Do not ask the hub.

    Returns:
        The model.

    Raises:
        ValueError: If it was saved as a model of another kind, such as a SparseEncoder.
        OSError: If it cannot be loaded.
    """
    configuration = load_file_path(name, _CONFIGURATION, local_files_only=local_files_only)
    saved = json.loads(Path(configuration).read_text(encoding="utf-8")) if configuration else {}
    kind = saved.get("model_type", SentenceTransformer.__name__)
    if kind != SentenceTransformer.__name__:
        raise ValueError(
            f"{kind} models are not supported, because only a SentenceTransformer gives each text a dense embedding"
        )
    return SentenceTransformer(name, local_files_only=local_files_only)


def load_model(name: str) -> SentenceTransformer:
    """Load a sentence-transformers model.

    Args:
        name: Folder or hub name.

    Returns:
        The model.

    Raises:
        ValueError: If it cannot be loaded, with the first line of the reason.
    """
    try:
        return load_dense(name)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"The model {name} cannot be loaded: {reason[0].rstrip('.')}; give a folder or a hub name."
        ) from None


@contextmanager
def importing_page_writer() -> Iterator[None]:
    """Turn a failed import into a `ValueError` that names the extra with the libraries of the pages."""
    try:
        yield
    except ImportError as missing:
        raise ValueError(
            f"The page needs {missing.name}, which is not installed; run `pip install 'st-isotropy[diagnose]'`."
        ) from None
