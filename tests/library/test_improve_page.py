import re

import numpy as np
import pytest
import torch

from st_isotropy.cli import main

pytest.importorskip("matplotlib", reason="the page needs the extra diagnose")
pytest.importorskip("jinja2", reason="the page needs the extra diagnose")


def gaussian(count, width, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_the_page_holds_the_verdict_and_every_candidate_and_asks_for_nothing(tmp_path, capsys):
    corpus = gaussian(200, 8) * (1 + 6 * torch.eye(8)[0])
    queries = corpus[:40] + gaussian(40, 8, seed=1)
    np.save(tmp_path / "corpus.npy", corpus.numpy())
    np.save(tmp_path / "queries.npy", queries.numpy())
    (tmp_path / "qrels.txt").write_text("".join(f"{row} {row}\n" for row in range(40)), encoding="utf-8")
    named = {"embeddings": "corpus.npy", "queries": "queries.npy", "qrels": "qrels.txt", "html": "page.html"}
    options = [part for name, file in named.items() for part in (f"--{name}", str(tmp_path / file))]
    assert main(["improve", *options, "--quantized"]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    verdict = capsys.readouterr().out.splitlines()[-1]
    assert verdict.partition(":")[0] in page
    assert page.count("<svg") == 4 and "Gained most" in page and "SpectralPower(0.5)" in page and "binary" in page
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, never fetched
    assert "<script" not in page
