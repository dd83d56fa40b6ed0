"""The hash of training pairs."""

import tracemalloc

from datasets import Dataset

from evaluation.train.pair_texts import content_hash


def test_one_long_text_does_not_multiply_the_memory_of_a_hash():
    many = Dataset.from_dict({"anchor": ["x" * 100_000, *map(str, range(2000))], "positive": ["y"] * 2001})
    tracemalloc.start()
    content_hash(many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # 2001 texts as wide as the longest would take 0.8 GB


def test_the_hash_of_pairs_sees_every_value_its_order_and_the_names():
    def of(**columns):
        return content_hash(Dataset.from_dict(columns))

    first = of(anchor=["a", "b"], positive=["c", "d"])
    assert of(anchor=["a", "b"], positive=["c", "d"]) == first
    others = [
        of(anchor=["b", "a"], positive=["c", "d"]),
        of(anchor=["a", "b"], positive=["c", "e"]),
        of(sentence=["a", "b"], positive=["c", "d"]),
        of(anchor=["a", "b"], positive=["c", "d"], score=[0.0, 1.0]),
        of(anchor=["a", "b"], positive=["c", "d"], score=[0.0, 0.5]),
        of(sentence=["a", "b"], label=[[0.0, 1.0], [1.0, 0.0]]),
        of(sentence=["a", "b"], label=[[0.0, 1.0], [1.0, 0.1]]),
    ]
    assert len({first, *others}) == len(others) + 1
