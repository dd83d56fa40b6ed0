"""Data sets of one's own, written to a folder as a user would lay them out."""

import gzip
import json
from pathlib import Path

import numpy as np
from small_corpus import WORDS


def sentences(count: int, seed: int = 0, words: int = 8) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, size=words)) for _ in range(count)]


def write_beir(folder: Path, documents: int = 60, zipped: bool = False, split: str = "test") -> Path:
    """Queries are the first words of their documents; each has a document of grade 2 and one of grade 1."""
    texts = sentences(documents, words=20)
    corpus = [{"_id": f"d{i}", "title": text.split()[0], "text": text} for i, text in enumerate(texts)]
    queries = [{"_id": f"q{i}", "text": " ".join(text.split()[:4])} for i, text in enumerate(texts[: documents // 2])]
    write_lines(folder / f"corpus.jsonl{'.gz' if zipped else ''}", [json.dumps(row) for row in corpus])
    write_lines(folder / "queries.jsonl", [json.dumps(row) for row in queries])
    grades = [f"q{i}\td{i}\t2\nq{i}\td{i + 1}\t1" for i in range(documents // 2)]
    write_lines(folder / "qrels" / f"{split}.tsv", ["query-id\tcorpus-id\tscore", *grades])
    return folder


def write_pairs(path: Path, column: str = "score", count: int = 60, seed: int = 0) -> Path:
    """Pairs that share some words, scored by how many; labels are 1 where it is at least half."""
    rows = []
    for i, text in enumerate(sentences(count, seed)):
        shared = i % 8
        other = " ".join([*text.split()[:shared], *sentences(1, seed=1000 + seed + i)[0].split()[shared:]])
        rows.append(f'"{text}\t{other}\t{shared / 2 if column == "score" else int(shared > 3)}')
    return write_lines(path, [f"sentence1\tsentence2\t{column}", *rows])


def write_labels(path: Path, count: int = 60, seed: int = 0, header: str = "text\tlabel") -> Path:
    """Texts of three topics with words of their own."""
    generator = np.random.default_rng(seed)
    rows = [
        f"{' '.join(WORDS[100 * (i % 3) + j] for j in generator.integers(0, 100, size=9))}\t{'abc'[i % 3]}"
        for i in range(count)
    ]
    return write_lines(path, [header, *rows])


def damaged_gzip(text: str) -> bytes:
    """A gzip file whose header is right and whose first block is of no type."""
    content = bytearray(gzip.compress(text.encode(), mtime=0))
    content[10] = 0xFF
    return bytes(content)


def write_lines(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path
