"""Loading a model for what it is: with code of its own only where that is trusted, where and in which precision."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import load_file_path

from st_isotropy.kinds import with_reason

BATCH_SIZE = 32
PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_CONFIGURATION = "config_sentence_transformers.json"


class ModelError(ValueError):
    """A model that is not loaded, with the reason and what to do in a whole sentence."""


@dataclass(frozen=True)
class Loading:
    """How a model is loaded.

    Attributes:
        trust_remote_code: Whether code that comes with the model may run.
        revision: Branch, tag or commit on the hub; None for the main branch.
        device: Where the model runs, such as "cuda:1"; None for the fastest there is.
        precision: A key of `PRECISIONS`; None for the one in which the model was saved.
    """

    trust_remote_code: bool = False
    revision: str | None = None
    device: str | None = None
    precision: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """What decides which weights there are, by name; what is not asked for is left out."""
        asked = {"revision": self.revision, "precision": self.precision}
        return {name: value for name, value in asked.items() if value is not None}

    def place(self, model: SentenceTransformer) -> SentenceTransformer:
        """Bring a model to the device and the precision; a `ModelError` says that the device is not there."""
        check_device(self.device)
        if self.device is not None:
            model = model.to(self.device)
        return model if self.precision is None else model.to(PRECISIONS[self.precision])


AS_SAVED = Loading()


def load_dense(name: str, loading: Loading = AS_SAVED, local_files_only: bool = False) -> SentenceTransformer:
    """Load a model of dense embeddings; sentence-transformers would make one of any other kind, by mean pooling.

    Args:
        name: Folder or hub name.
        loading: How.
        local_files_only: Do not ask the hub.

    Returns:
        The model.

    Raises:
        ModelError: If it was saved as a model of another kind, such as a SparseEncoder, or needs code of its own that
            is not trusted; if the device is not there.
        OSError: If it cannot be loaded.
    """
    check_device(loading.device)
    configuration = load_file_path(name, _CONFIGURATION, revision=loading.revision, local_files_only=local_files_only)
    saved = json.loads(Path(configuration).read_text(encoding="utf-8")) if configuration else {}
    kind = saved.get("model_type", SentenceTransformer.__name__)
    if kind != SentenceTransformer.__name__:
        raise ModelError(f"The model {name} is a {with_reason(kind)}; give a SentenceTransformer.")
    try:
        model = SentenceTransformer(
            name,
            device=loading.device,
            trust_remote_code=loading.trust_remote_code,
            revision=loading.revision,
            local_files_only=local_files_only,
            # A large model is never in memory in another precision.
            model_kwargs=None if loading.precision is None else {"dtype": PRECISIONS[loading.precision]},
        )
    except ValueError as error:
        if loading.trust_remote_code or "trust_remote_code=True" not in str(error):
            raise
        raise ModelError(_untrusted(name, str(error))) from None
    return loading.place(model)  # modules other than transformers are loaded as saved


def load_named(name: str, loading: Loading = AS_SAVED) -> SentenceTransformer:
    """Load a sentence-transformers model.

    Args:
        name: Folder or hub name.
        loading: How.

    Returns:
        The model.

    Raises:
        ValueError: If it cannot be loaded, with the first line of the reason.
    """
    if loading.revision is not None and Path(name).is_dir():
        raise ModelError(f"The folder {name} has no revisions, as only models of the hub do; leave --revision out.")
    try:
        return load_dense(name, loading)
    except ModelError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"The model {name} cannot be loaded: {reason[0].rstrip('.')}; give a folder or a hub name."
        ) from None


def check_device(name: str | None) -> None:
    """Raise a `ModelError` where this machine has no such device."""
    if name is None:
        return
    try:
        torch.zeros(1, device=name).cpu()
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without it
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ModelError(
            f"The device {name!r} cannot be used ({reason}); name one that this machine has with --device, such as cpu."
        ) from None


def _untrusted(name: str, reason: str) -> str:
    found = re.search(r"module class '([^']+)'", reason)
    what = f" ({found[1]})" if found else ""
    where = name if Path(name).is_dir() else f"https://huggingface.co/{name}"
    return (
        f"The model {name} comes with code of its own{what}, which would run on this machine; read it in {where}, and "
        "if you trust it add --trust-remote-code."
    )
