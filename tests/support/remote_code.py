"""A saved model with a module of its own, whose code lies in its folder as it would in a repository of the hub."""

import json
from pathlib import Path

from sentence_transformers import SentenceTransformer

CODE = """
from sentence_transformers.base.modules import Module

from .factor import FACTOR


class Scaling(Module):
    def forward(self, features):
        features["sentence_embedding"] = FACTOR * features["sentence_embedding"]
        return features

    def save(self, output_path, *args, **kwargs):
        pass

    @classmethod
    def load(cls, *args, **kwargs):
        return cls()
"""


def write_remote_code(model: SentenceTransformer, folder: Path, factor: int = 2) -> str:
    """Save a model with such a module after it, which multiplies embeddings; return the folder."""
    model.save_pretrained(str(folder), create_model_card=False)
    (folder / "scaling.py").write_text(CODE, encoding="utf-8")
    (folder / "factor.py").write_text(f"FACTOR = {factor}\n", encoding="utf-8")
    listed = folder / "modules.json"
    modules = json.loads(listed.read_text(encoding="utf-8"))
    modules.append({"idx": len(modules), "name": str(len(modules)), "path": "", "type": "scaling.Scaling"})
    listed.write_text(json.dumps(modules), encoding="utf-8")
    return str(folder)
