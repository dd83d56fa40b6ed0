"""A task's parts "tune" and "report": disjoint, whole together, scored by mteb as splits of their own."""

from functools import partial
from pathlib import Path

import mteb
import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClusteringLegacy, AbsTaskPairClassification
from own_data import sentences, write_beir, write_labels, write_pairs
from shared_data import MIRROR, needs_mirror
from small_corpus import small_corpus, static_model

from evaluation.errors import UserError
from evaluation.measure.scores import evaluate
from evaluation.tasks.docstrings import DocstringClustering
from evaluation.tasks.resolve import docstring_tasks, resolve_tasks
from evaluation.tasks.tune_report import in_part, take_part


def rows(source) -> tuple[list[str], dict]:
    """The deciding texts of a task's evaluated rows, and all its splits."""
    task = source.make()
    task.load_data()
    [split] = task.eval_splits
    splits = task.dataset.get("default", task.dataset)
    data = splits[split]
    if source.type == "Retrieval":
        assert set(data["relevant_docs"]) == set(data["queries"]["id"])
        return list(data["queries"]["text"]), data
    return list(data["sentence1" if "sentence1" in data.column_names else "text"]), splits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write_beir(folder / "books")
    write_pairs(folder / "likeness.tsv")
    write_pairs(folder / "same.tsv", column="label")
    for seed, split in enumerate(("train", "test")):
        write_labels(folder / "topics" / f"{split}.tsv", seed=seed)
    return folder


@pytest.mark.parametrize("name", ["books", "likeness", "same", "topics", "topics-clustering"])
def test_the_parts_are_disjoint_and_together_whole(name: str, folder: Path) -> None:
    whole, tune, report = resolve_tasks([name, f"{name}:tune", f"{name}:report"], folders=[folder])
    assert [tune.name, report.name, tune.part] == [f"{name}:tune", f"{name}:report", "tune"]
    texts = [rows(source)[0] for source in (whole, tune, report)]
    assert sorted(texts[0]) == sorted(texts[1] + texts[2]) and not set(texts[1]) & set(texts[2])
    assert 0.15 < len(texts[1]) / len(texts[0]) < 0.5
    data = [rows(source)[1] for source in (whole, tune)]
    if name == "books":
        assert len(data[1]["corpus"]) == len(data[0]["corpus"])
    if name == "topics":
        assert list(data[1]["train"]["text"]) == list(data[0]["train"]["text"])


def test_nothing_changes_sides_when_data_grow() -> None:
    texts = sentences(200)
    for part in ("tune", "report"):
        before = {texts[place] for place in in_part(texts[:80], part)}
        after = {texts[::-1][place] for place in in_part(texts[::-1], part)}
        assert len(before) > 10 and before == after & set(texts[:80])


def test_mteb_scores_a_part_as_a_split_of_its_own(folder: Path, tmp_path: Path) -> None:
    sources = resolve_tasks(["books", "books:tune", "books:report", "likeness:tune"], folders=[folder])
    whole, tune, report, likeness = evaluate(static_model(), "own", sources, tmp_path)
    units = [{key.rpartition("/")[2]: value for key, value in each.units.items()} for each in (whole, tune, report)]
    assert units[1] | units[2] == units[0]
    assert tune.score == pytest.approx(np.mean(list(units[1].values())), abs=1e-5)
    assert set(likeness.pairs) == {"default/tune"}
    [result] = mteb.ResultCache(tmp_path / "mteb-tune").load_results(tasks=[sources[1].make()]).model_results
    [loaded] = result.task_results
    assert list(loaded.scores) == ["tune"] and loaded.get_score() == pytest.approx(tune.score, abs=1e-6)


def test_mteb_evaluates_a_part_that_nobody_loaded_before(folder: Path, tmp_path: Path) -> None:
    [source] = resolve_tasks(["likeness:tune"], folders=[folder])
    [ours] = evaluate(static_model(), "own", [source], tmp_path)
    [theirs] = mteb.evaluate(static_model(), source.make(), cache=None, co2_tracker=False).task_results
    assert list(theirs.scores) == ["tune"] and theirs.get_score() == pytest.approx(ours.score, abs=1e-6)


def test_the_docstring_tasks_have_parts(tmp_path: Path) -> None:
    sources = docstring_tasks(partial(small_corpus, 300), "report")
    assert sources[0].name == "DocstringRetrieval:report"
    assert all(0 < scores.score <= 1 for scores in evaluate(static_model(), "small", sources, tmp_path))


class OneRowOfLists(AbsTaskPairClassification):
    metadata = DocstringClustering.metadata.model_copy(
        update={"name": "OneRowOfLists", "type": "PairClassification", "main_score": "max_ap"}
    )

    def load_data(self, **options):
        texts = sentences(40)
        row = {"sentence1": [texts], "sentence2": [texts[::-1]], "labels": [[i % 2 for i in range(40)]]}
        self.dataset, self.data_loaded = DatasetDict(test=Dataset.from_dict(row)), True


class SetsOfSentences(AbsTaskClusteringLegacy):
    metadata = DocstringClustering.metadata.model_copy(update={"name": "SetsOfSentences"})
    sets, size = 12, 10

    def load_data(self, **options):
        sets = [sentences(self.size, seed=i) for i in range(self.sets)]
        row = {"sentences": sets, "labels": [list("ab" * self.size)[: self.size]] * self.sets}
        self.dataset, self.data_loaded = DatasetDict(test=Dataset.from_dict(row)), True


class OneSet(SetsOfSentences):
    metadata = DocstringClustering.metadata.model_copy(update={"name": "OneSet"})
    sets, size = 1, 1


def rows_of_part(task, part: str) -> Dataset:
    take_part(task, part).load_data()
    return task.dataset[part]


def test_an_old_layout_of_pairs_is_divided_too() -> None:
    sizes = [len(rows_of_part(OneRowOfLists(), part)) for part in ("tune", "report")]
    assert sum(sizes) == 40 and min(sizes) > 0


def test_sets_of_sentences_are_divided_by_the_sentence() -> None:
    whole = SetsOfSentences()
    whole.load_data()
    labelled = [
        {pair for row in rows for pair in zip(row["sentences"], row["labels"], strict=True)}
        for rows in (whole.dataset["test"], *[rows_of_part(SetsOfSentences(), part) for part in ("tune", "report")])
    ]
    texts = [{text for text, _ in part} for part in labelled]
    assert labelled[1] | labelled[2] == labelled[0] and not texts[1] & texts[2] and min(map(len, texts)) > 20


def test_what_cannot_be_divided_is_said() -> None:
    with pytest.raises(
        UserError, match=r"would be empty, because its test split has too few rows: use the whole split"
    ):
        for part in ("tune", "report"):
            take_part(OneSet(), part).load_data()
    with pytest.raises(
        UserError, match=r"^SummEval is a task of type Summarization, which has no parts tune and report"
    ):
        resolve_tasks(["SummEval:tune"])
    with pytest.raises(
        UserError, match=r"^MSMARCOv2 has several splits \(train, dev, dev2\) and none called test: name"
    ):
        resolve_tasks(["MSMARCOv2:tune"])
    with pytest.raises(
        UserError, match=r"^The docstring tasks have no split test: they have the parts tune and report\."
    ):
        resolve_tasks(["docstrings:test"])
    with pytest.raises(
        UserError, match=r"^SciRepEvalBiomimicryClassification is cross-validated and has no test split"
    ):
        resolve_tasks(["SciRepEvalBiomimicryClassification:tune"])


@needs_mirror
def test_parts_and_splits_of_a_task_from_the_mirror(tmp_path: Path) -> None:
    names = ["STSBenchmark:validation", "STSBenchmark:tune", "STSBenchmark:report"]
    sources = resolve_tasks(names, MIRROR)
    scores = evaluate(static_model(words=["the", "a", "is", "man", "woman", "of", "in"]), "small", sources, tmp_path)
    counts = [len(pairs.gold) for each in scores for pairs in each.pairs.values()]
    assert counts[0] == 1500 and counts[1] + counts[2] == 1379 and 400 < counts[1] < 520
    assert sorted(path.name.partition("-")[0] for path in tmp_path.glob("*.json")) == ["STSBenchmark"] * 3
