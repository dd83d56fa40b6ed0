"""Saving what was found: an ordinary sentence-transformers folder, or the map alone for embeddings from anywhere."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Module, Router
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

from st_isotropy.improve.maps import AffineMap


def save_improved(model: SentenceTransformer, map_: AffineMap, folder: Path, account: str) -> None:
    """Save a model with a map after it, which loads without this package; the model itself stays as it is.

    The map becomes a `Dense`, followed by a `Normalize` where the model ends in one. A map of queries alone lies on the
    query side of a `Router`: encode with `encode_query` and `encode_document`.

    Args:
        model: The model whose embeddings the map was found on.
        map_: The map.
        folder: Where to; must not exist.
        account: What was done, on which data, with which result, in Markdown; goes into the model card.

    Raises:
        ValueError: If the folder exists or cannot be written. Nothing is left half-written, not even after Ctrl-C.

    Examples:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp()) / "better"
        >>> half = AffineMap.keeping(16, width=32)
        >>> save_improved(model, half, folder, "Cut in half.")
        >>> SentenceTransformer(str(folder)).get_embedding_dimension()
        16
    """
    modules = modules_after(model, map_)

    def write(place: Path) -> None:
        count = len(model)
        try:
            for module in modules:
                model.append(module)
            model.save_pretrained(str(place))
            copy_code(model, place)
        finally:
            while len(model) > count:
                del model[len(model) - 1]
        card = place / "README.md"
        written = card.read_text(encoding="utf-8") if card.is_file() else ""
        card.write_text(f"{written.rstrip()}\n\n{account.rstrip()}\n".lstrip(), encoding="utf-8")

    write_folder(folder, write)


def modules_after(model: SentenceTransformer, map_: AffineMap) -> list[Module]:
    """Make the modules that do to a model's embeddings what a map does, in the model's precision."""
    with model.truncate_embeddings(None):
        full = model.get_embedding_dimension() or map_.matrix.shape[1]
    matrix = torch.zeros(len(map_.matrix), full)
    matrix[:, : map_.matrix.shape[1]] = map_.matrix  # `truncate_dim` cuts after all modules, the map saw it cut before
    dense = Dense(full, len(matrix), activation_function=None, init_weight=matrix, init_bias=map_.offset.clone())
    after: list[Module] = [dense.to(model.device, model.dtype)]
    if ends_in_normalize(model):
        after.append(Normalize())
    if map_.queries_only:
        after = [Router.for_query_document(query_modules=[*after], document_modules=[])]
    return after


def ends_in_normalize(model: SentenceTransformer) -> bool:
    """Whether the model's last module makes unit rows."""
    return isinstance(model[len(model) - 1], Normalize)


def copy_code(model: SentenceTransformer, place: Path) -> None:
    """Copy the code of modules that came with the model to where it is looked for, at the top of the folder.

    sentence-transformers saves it beside the weights of each module.
    """
    for number, module in enumerate(model):
        if type(module).__module__.startswith("transformers_modules."):
            for file in place.glob(f"{number}_{type(module).__name__}/*.py"):
                shutil.copy(file, place)


def save_map(map_: AffineMap, folder: Path, account: str) -> None:
    """Save a map for embeddings as `transform.safetensors`, with `matrix` (k, d) and `offset` (k,); errors as above.

    Examples:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp()) / "map"
        >>> save_map(AffineMap.keeping(2, width=3), folder, "The first two dimensions.")
        >>> sorted(path.name for path in folder.iterdir())
        ['README.md', 'transform.safetensors']
    """

    def write(place: Path) -> None:
        save_file({"matrix": map_.matrix.contiguous(), "offset": map_.offset}, place / "transform.safetensors")
        (place / "README.md").write_text(account.rstrip() + "\n", encoding="utf-8")

    write_folder(folder, write)


def numpy_lines(folder: Path, queries_only: bool) -> str:
    """Write the lines of numpy that apply a saved map."""
    names = ["queries"] if queries_only else ["queries", "corpus"]
    lines = [
        "from safetensors.numpy import load_file",
        f"transform = load_file({str(folder / 'transform.safetensors')!r})",
        *(f'{name} = {name} @ transform["matrix"].T + transform["offset"]' for name in names),
    ]
    return "\n".join(lines)


def check_folder(folder: Path) -> None:
    """Raise a `ValueError` if a folder exists or has no place."""
    if folder.exists():
        raise ValueError(f"{folder} exists and is not overwritten; choose another place for --out.")
    if not folder.absolute().parent.is_dir():
        raise ValueError(f"{folder} cannot be written: there is no folder {folder.absolute().parent}; make it first.")


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder under a temporary name, then rename it; whatever stops the writing removes what was written."""
    check_folder(folder)
    place = folder.absolute().with_name(f".{folder.absolute().name}.{os.getpid()}.tmp")
    try:
        place.mkdir()
        write(place)
        check_folder(folder)
        place.rename(folder)
    except OSError as error:
        raise ValueError(f"{folder} cannot be written: {error.strerror or error}; choose another place.") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
