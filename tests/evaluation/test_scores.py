"""Evaluating tasks that fail, and tasks of several subsets: what is kept, and what goes on."""

import errno
import json
from functools import partial
from pathlib import Path

import mteb
import numpy as np
import pytest
from datasets import concatenate_datasets
from mteb.abstasks.aggregate_task_metadata import AggregateTaskMetadata
from mteb.abstasks.aggregated_task import AbsTaskAggregate
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from own_data import sentences, write_lines
from small_corpus import SmallDevice, small_corpus, static_model

from evaluation.measure.scores import embeddings_file, evaluate, qrels_file
from evaluation.measured import Failure, TaskScores
from evaluation.models.embeddings import load_texts
from evaluation.tasks.docstrings import DocstringRetrieval
from evaluation.tasks.loading import load
from evaluation.tasks.resolve import docstring_tasks, resolve_tasks
from evaluation.tasks.source import TaskSource

CORPUS = small_corpus()


class Raising(DocstringRetrieval):
    """Raises when its documents are being searched."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(CORPUS)
        self.error = error

    def task_specific_scores(self, *args, **kwargs):
        raise self.error


def raising(error: BaseException) -> TaskSource:
    return TaskSource("Raising", "Retrieval", partial(Raising, error))


def test_a_task_that_raises_is_one_failure_and_the_others_go_on(tmp_path: Path) -> None:
    tasks = [raising(RuntimeError("no\nsecond line")), *docstring_tasks(small_corpus)[:1]]
    failure, scores = evaluate(static_model(), "small", tasks, tmp_path)
    assert failure == Failure(
        "Raising",
        "Raising cannot be evaluated on st-isotropy/small (RuntimeError: no); leave out the task, "
        "or fix the cause and rerun the command.",
    )
    assert isinstance(scores, TaskScores) and not (tmp_path / "Raising.json").exists()
    [again] = evaluate(static_model(), "small", [TaskSource("Raising", "Retrieval", tasks[1].make)], tmp_path)
    assert isinstance(again, TaskScores) and again.score == scores.score


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), OSError(errno.ENOSPC, "full", "somewhere")])
def test_what_no_other_task_would_survive_is_raised(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)):
        evaluate(static_model(), "small", [raising(error)], tmp_path)


@pytest.mark.parametrize("texts", [5, 0])
def test_a_batch_is_halved_until_it_fits_into_memory(texts: int, tmp_path: Path) -> None:
    model = static_model()
    [expected] = evaluate(model, "small", docstring_tasks(small_corpus)[:1], tmp_path / "large")
    model.append(SmallDevice(texts))
    [found] = evaluate(model, "small", docstring_tasks(small_corpus)[:1], tmp_path / "small")
    if texts:
        assert isinstance(found, TaskScores) and found.score == pytest.approx(expected.score, abs=1e-6)
    else:
        assert isinstance(found, Failure) and "(OutOfMemoryError: out of memory)" in found.reason


def test_data_that_cannot_be_loaded_are_a_failure(tmp_path: Path) -> None:
    (tmp_path / "mteb/sts12-sts").mkdir(parents=True)
    [failure] = evaluate(static_model(), "small", resolve_tasks(["STS12"], tmp_path), tmp_path / "out")
    assert isinstance(failure, Failure) and failure.reason.startswith("The data of STS12 (")


def test_scores_are_finished_only_with_their_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = docstring_tasks(small_corpus)[:1]
    written: list[str] = []
    replace = Path.replace

    def recorded(self: Path, target: Path) -> Path:
        written.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", recorded)
    evaluate(static_model(), "small", tasks, tmp_path)
    name = tasks[0].name
    assert written[-3:] == [f"{name}.npz", f"{name}.qrels.json", f"{name}.json"]
    grades = json.loads(qrels_file(tmp_path, name).read_text())
    assert grades == {str(i): {str(i): 1} for i in range(len(CORPUS.test))}


class ByMap(DocstringRetrieval):
    metadata = DocstringRetrieval.metadata.model_copy(
        update={"name": "ByMap", "main_score": "map_at_10", "eval_splits": ["test", "more"]}
    )

    def load_data(self, *args, **kwargs):
        super().load_data()
        self.dataset["default"]["more"] = self.dataset["default"]["test"]


def test_every_retrieval_task_has_ndcg_per_query_and_texts_to_measure(tmp_path: Path) -> None:
    source = TaskSource("ByMap", "Retrieval", partial(ByMap, CORPUS))
    scores, plain = evaluate(static_model(), "small", [source, *docstring_tasks(small_corpus)[:1]], tmp_path)
    assert scores.units == {} and len(scores.ndcg_at_10) == 2 * len(plain.ndcg_at_10)
    assert {key: scores.ndcg_at_10[key] for key in plain.ndcg_at_10} == plain.ndcg_at_10 == plain.units
    assert not qrels_file(tmp_path, "ByMap").exists()  # queries of two splits are no one search
    distinct = {pair.rest for pair in CORPUS.test}
    assert load_texts(embeddings_file(tmp_path, "ByMap")).shape == (len(distinct), 16)


def test_a_task_of_several_subsets_is_scored_as_mteb_defines_it(tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "mteb" / "sts17-crosslingual-sts"
    rows = [
        {"lang": subset, "sentence1": first, "sentence2": second, "score": float(i % 5)}
        for seed, subset in enumerate(("en-en", "es-es"))
        for i, (first, second) in enumerate(zip(sentences(40, seed), sentences(40, seed + 9), strict=True))
    ]
    write_lines(folder / "test.jsonl", [json.dumps(row) for row in rows])
    specs = ["STS17[en-en]", "STS17[es-es]", "STS17[en-en,es-es]"]
    sources = resolve_tasks(specs, tmp_path / "mirror")
    assert [source.name for source in sources][:2] == specs[:2]
    english, spanish, both = evaluate(static_model(), "small", sources, tmp_path / "out")
    assert both.score == pytest.approx(np.mean([english.score, spanish.score]), abs=1e-5)
    assert set(both.pairs) == {"en-en/test", "es-es/test"} and english.score != spanish.score
    assert both.pairs["en-en/test"] == english.pairs["en-en/test"]
    assert len(load_texts(embeddings_file(tmp_path / "out", both.task))) == 160


def test_subsets_that_the_data_lack_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "mteb" / "sts17-crosslingual-sts"
    rows = [{"lang": "en-en", "sentence1": text, "sentence2": text, "score": 5.0} for text in sentences(20)]
    write_lines(folder / "test.jsonl", [json.dumps(row) for row in rows])
    [both] = resolve_tasks(["STS17[en-en,es-es]"], tmp_path / "mirror")
    [failure] = evaluate(static_model(), "small", [both], tmp_path / "out")
    assert isinstance(failure, Failure)
    assert "(the subsets es-es are missing): name subsets that are there, such as 'STS17[en-en]', or give a" in (
        failure.reason
    )


def test_of_a_folder_of_the_hubs_cache_the_revision_of_its_main_branch_is_read(tmp_path: Path) -> None:
    cache = tmp_path / "datasets--mteb--sickr-sts"
    for revision, seed in (("abc", 0), ("def", 1)):
        rows = [{"sentence1": text, "sentence2": text, "score": 5.0} for text in sentences(5, seed)]
        write_lines(cache / "snapshots" / revision / "test.jsonl", [json.dumps(row) for row in rows])
    write_lines(cache / "refs" / "main", ["def"])
    (tmp_path / "mirror" / "mteb").mkdir(parents=True)
    (tmp_path / "mirror" / "mteb" / "sickr-sts").symlink_to(cache)
    [source] = resolve_tasks(["SICK-R"], tmp_path / "mirror")
    task = source.make()
    task.load_data()
    assert list(task.dataset["test"]["sentence1"]) == sentences(5, 1)


class Repeating(DocstringRetrieval):
    """Has one document twice, as published corpora do."""

    metadata = DocstringRetrieval.metadata.model_copy(update={"name": "Repeating"})

    def load_data(self, *args, **kwargs):
        super().load_data()
        corpus = self.dataset["default"]["test"]["corpus"]
        self.dataset["default"]["test"]["corpus"] = concatenate_datasets([corpus, corpus.select([0])])


def test_a_corpus_whose_ids_repeat_has_a_score_and_no_index(tmp_path: Path) -> None:
    source = TaskSource("Repeating", "Retrieval", partial(Repeating, CORPUS))
    [scores] = evaluate(static_model(), "small", [source], tmp_path)
    assert isinstance(scores, TaskScores) and scores.score > 0
    assert not qrels_file(tmp_path, "Repeating").exists()
    assert len(load_texts(embeddings_file(tmp_path, "Repeating"))) == len({pair.rest for pair in CORPUS.test})


class Both(AbsTaskAggregate):
    metadata = AggregateTaskMetadata(
        name="Both",
        description="Two tasks as one.",
        tasks=[ByMap(CORPUS).filter_eval_splits(["test"]), DocstringRetrieval(CORPUS)],
        type="Retrieval",
        main_score="ndcg_at_10",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
    )


def test_an_aggregate_is_the_mean_of_its_tasks(tmp_path: Path) -> None:
    tasks = [
        TaskSource("Both", "Retrieval", Both),
        TaskSource("ByMap", "Retrieval", lambda: ByMap(CORPUS).filter_eval_splits(["test"])),
        *docstring_tasks(small_corpus)[:1],
    ]
    both, first, second = evaluate(static_model(), "small", tasks, tmp_path)
    assert both.score == pytest.approx((first.score + second.score) / 2, abs=1e-5)
    assert both.units == {} and len(load_texts(embeddings_file(tmp_path, "Both"))) > 0


def test_a_classifier_reads_labels_as_a_list_and_scores_exactly_as_in_mteb(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "test")):
        rows = [json.dumps({"text": text, "label": row % 3}) for row, text in enumerate(sentences(60, seed))]
        write_lines(tmp_path / "mteb" / "banking77" / f"{split}.jsonl", rows)
    [source] = resolve_tasks(["Banking77Classification"], tmp_path)
    ours, untouched = source.make(), source.make()
    load(ours)
    train = ours.dataset["train"]
    assert type(train["label"]) is type(train.select([5, 4])["label"]) is list
    assert train.select([5, 4])["label"] == [2, 1] and train[3] == {"text": train["text"][3], "label": 0}
    results = [
        mteb.evaluate(SentenceTransformerEncoderWrapper(static_model()), task, cache=None, co2_tracker=False)
        for task in (ours, untouched)
    ]
    one, other = (result.task_results[0].scores["test"] for result in results)
    assert one == other
