"""What a task asks about is not trained on."""

from datasets import Dataset
from own_data import write_beir, write_lines, write_pairs

from evaluation.study.leak_guard import asked_about, without_asked
from evaluation.tasks.resolve import resolve_tasks


def test_pairs_that_an_sts_task_asks_about_are_dropped_in_any_order_case_and_white_space(tmp_path):
    write_lines(
        tmp_path / "rated" / "test.tsv",
        ["sentence1\tsentence2\tscore", "The cat\ta dog\t1", "one\ttwo\t2", "red\tblue\t3"],
    )
    write_lines(tmp_path / "sorted" / "test.tsv", ["text\tlabel", "left\tx", "right\ty"])
    pairs = Dataset.from_dict(
        {"anchor": ["the  CAT", "two", "one", "left"], "positive": ["A dog ", "one", "blue", "right"]}
    )
    kept, dropped = without_asked(pairs, asked_about(resolve_tasks([], None, [tmp_path])))
    assert (kept.to_dict(), dropped) == ({"anchor": ["one", "left"], "positive": ["blue", "right"]}, 2)


def test_pairs_of_pair_classification_and_answered_queries_are_dropped_too(tmp_path):
    write_pairs(tmp_path / "same.tsv", column="label", count=20)
    write_beir(tmp_path / "books", documents=60)
    tasks = resolve_tasks([], None, [tmp_path])
    asked = asked_about(tasks)
    same, books = [next(task for task in tasks if task.name == name).make() for name in ("same", "books")]
    same.load_data()
    books.load_data()
    rows = same.dataset["default"]["test"]
    pairs = Dataset.from_dict({"anchor": [*rows["sentence2"], "new"], "positive": [*rows["sentence1"], "pair"]})
    assert without_asked(pairs, asked)[1] == 20
    data = books.dataset["default"]["test"]
    texts = {row["id"]: row["text"] for row in data["corpus"]}
    queries = dict(zip(data["queries"]["id"], data["queries"]["text"], strict=True))
    answered = [(queries[query], texts[doc]) for query, docs in data["relevant_docs"].items() for doc in docs]
    unanswered = (answered[0][0], answered[-1][1])
    anchors, positives = zip(*answered, unanswered, strict=True)
    kept, dropped = without_asked(Dataset.from_dict({"anchor": anchors, "positive": positives}), asked)
    assert dropped == len(answered) == 60 and kept.to_dict() == {"anchor": [unanswered[0]], "positive": [unanswered[1]]}
