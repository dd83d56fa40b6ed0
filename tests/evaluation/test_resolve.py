import json
import pickle

import mteb
import numpy as np
import pytest
from pyarrow import parquet
from scipy.stats import spearmanr
from shared_data import MIRROR, needs_mirror
from small_corpus import small_corpus, static_model

from evaluation.errors import UserError
from evaluation.measure.scores import embeddings_file, evaluate
from evaluation.measured import Failure
from evaluation.models.load import load_model
from evaluation.tasks.docstrings import DocstringClustering, DocstringRetrieval
from evaluation.tasks.presets import QUICK
from evaluation.tasks.resolve import TaskSource, docstring_tasks, resolve_tasks


@pytest.fixture(scope="module")
def corpus():
    return small_corpus(900)


@pytest.fixture(scope="module")
def tasks(corpus):
    return docstring_tasks(lambda: corpus)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("variant")


@pytest.fixture(scope="module")
def scores(tasks, folder):
    return evaluate(static_model(), "small--start", tasks, folder)


def numbers(scores):
    return [(each.task, each.score, each.units, each.pairs) for each in scores]


def test_the_three_docstring_tasks_are_scored_by_mteb(scores):
    found = [(each.task, each.type, each.metric) for each in scores]
    assert found == [
        ("DocstringRetrieval", "Retrieval", "ndcg_at_10"),
        ("DocstringClassification", "Classification", "accuracy"),
        ("DocstringClustering", "Clustering", "v_measure"),
    ]
    assert all(0 < each.score < 1 for each in scores)


def test_the_mean_over_queries_is_mtebs_retrieval_score(scores, corpus):
    retrieval = scores[0]
    assert set(retrieval.units) == {f"default/test/{i}" for i in range(len(corpus.test))}
    assert np.mean(list(retrieval.units.values())) == pytest.approx(retrieval.score, abs=1e-5)


def test_a_query_scores_the_discounted_rank_of_its_own_rest(scores, corpus):
    model = static_model()
    queries, documents = model.encode([p.first for p in corpus.test]), model.encode([p.rest for p in corpus.test])
    similarity = model.similarity(queries, documents).numpy()
    ranks = (similarity > np.diag(similarity)[:, None]).sum(axis=1)
    expected = np.where(ranks < 10, 1 / np.log2(ranks + 2), 0)
    assert list(scores[0].units.values()) == pytest.approx(list(expected), abs=1e-6)


def test_the_mean_over_texts_is_mtebs_accuracy(scores, corpus):
    classification = scores[1]
    assert len(classification.units) == len(corpus.test) // 2
    assert np.mean(list(classification.units.values())) == pytest.approx(classification.score, abs=1e-5)


class DocstringsByMap(DocstringRetrieval):
    metadata = DocstringRetrieval.metadata.model_copy(update={"name": "DocstringsByMap", "main_score": "map_at_10"})


class DocstringsInTwoSplits(DocstringRetrieval):
    metadata = DocstringRetrieval.metadata.model_copy(
        update={"name": "DocstringsInTwoSplits", "eval_splits": ["test", "more"]}
    )

    def load_data(self, *args, **kwargs):
        super().load_data()
        self.dataset["default"]["more"] = self.dataset["default"]["test"]


@pytest.mark.parametrize("kind", [DocstringsByMap, DocstringsInTwoSplits])
def test_queries_whose_mean_is_not_the_score_are_no_units(kind, corpus, tmp_path):
    (scores,) = evaluate(
        static_model(), "small", [TaskSource(kind.metadata.name, "Retrieval", lambda: kind(corpus))], tmp_path
    )
    assert scores.metric == kind.metadata.main_score and scores.score > 0
    assert scores.units == {}


def test_finished_tasks_are_read_and_not_run_again(scores, folder):
    def broken():
        raise AssertionError("run again")

    again = evaluate(
        static_model(), "small--start", [TaskSource(each.task, each.type, broken) for each in scores], folder
    )
    assert again == scores


def test_a_task_whose_embeddings_were_deleted_is_evaluated_again(scores, tasks, folder):
    embeddings_file(folder, tasks[0].name).unlink()
    assert numbers(evaluate(static_model(), "small--start", tasks[:1], folder)) == numbers(scores)[:1]
    assert embeddings_file(folder, tasks[0].name).exists()


def test_every_model_gets_fresh_tasks_so_a_repetition_gives_the_same_scores(scores, tasks, tmp_path):
    assert numbers(evaluate(static_model(), "small--start", tasks, tmp_path)) == numbers(scores)


def test_variants_of_one_base_do_not_take_each_others_scores(scores, tasks, tmp_path):
    other = static_model(seed=1)
    apart = numbers(evaluate(other, "small--start", tasks, tmp_path / "other"))
    assert apart != numbers(scores)
    with pytest.raises(
        UserError, match=r"DocstringRetrieval\.json holds the scores of the model \w{16} instead of \w{16};"
    ):
        evaluate(static_model(), "small--start", tasks, tmp_path / "other")
    assert numbers(evaluate(other, "small--start", tasks, tmp_path / "other")) == apart


def test_predictions_of_an_interrupted_run_are_not_mixed_in(scores, tasks, tmp_path):
    left = {"mteb_model_meta": {}, "default": {"test": {"0": {"1": 1.0}}, "other": {"0": {"1": 1.0}}}}
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "DocstringRetrieval_predictions.json").write_text(json.dumps(left))
    assert numbers(evaluate(static_model(), "small--start", tasks[:1], tmp_path)) == numbers(scores)[:1]


def test_mtebs_own_tools_load_the_results(scores, folder):
    (result,) = mteb.ResultCache(folder / "mteb").load_results(tasks=[each.task for each in scores]).model_results
    assert result.model_name == "st-isotropy/small--start"
    loaded = {each.task_name: each.get_score() for each in result.task_results}
    assert loaded == pytest.approx({each.task: each.score for each in scores}, abs=1e-6)


def test_the_metadata_names_the_corpus(corpus):
    task = DocstringClustering(corpus)
    assert task.metadata.dataset["revision"] == corpus.sha256[:16]
    assert DocstringClustering.metadata.dataset["revision"] != corpus.sha256[:16]


def test_presets_benchmarks_and_types_are_lists_of_tasks():
    quick = resolve_tasks(["quick", "STS15", "quick"])
    assert [source.name for source in quick] == list(QUICK)
    assert [source.name for source in resolve_tasks(["nanobeir"])] == [s.name for s in resolve_tasks(["NanoBEIR"])]
    full = resolve_tasks(["full"])
    assert len(full) == 41 and {"STS17[en-en]", "MassiveIntentClassification[en]:test"} <= {s.name for s in full}
    tuned = resolve_tasks(["nanobeir:tune"])
    assert len(tuned) == 13 and all(source.name.endswith("Retrieval:tune") for source in tuned)
    similarity = resolve_tasks(["STS"])
    assert {source.type for source in similarity} == {"STS"}
    assert {"STS12", "STS22.v2[en]"} <= {source.name for source in similarity}
    with pytest.raises(UserError, match=r"^There are no English text tasks of the type ImageClustering: name another"):
        resolve_tasks(["ImageClustering"])
    with pytest.raises(UserError, match=r"^There are no tasks: name some with --tasks, or give own data with --folder"):
        resolve_tasks([])


def test_a_task_is_made_in_another_process_as_it_was_asked_for():
    specs = ["STS17[en-en]", "AmazonCounterfactualClassification[en]:validation", "STS12:tune", "CQADupstackRetrieval"]
    tasks = [source.make() for source in pickle.loads(pickle.dumps(resolve_tasks(specs)))]
    assert [(task.metadata.name, list(task.hf_subsets), list(task.eval_splits)) for task in tasks] == [
        ("STS17", ["en-en"], ["test"]),
        ("AmazonCounterfactualClassification", ["en"], ["validation"]),
        ("STS12", ["default"], ["tune"]),
        ("CQADupstackRetrieval", ["default"], ["test"]),
    ]
    with pytest.raises(UserError, match=r"^STS17 has no subset en; it has .*\ben-en\b"):
        resolve_tasks(["STS17[en]"])


def test_an_unknown_task_is_answered_with_near_names():
    what = "There is no task, task type, benchmark or preset"
    with pytest.raises(UserError, match=rf"^{what} 'STSBenchmrk'; near names are STSBenchmark\b"):
        resolve_tasks(["STSBenchmrk"])
    with pytest.raises(UserError, match=rf"^{what} 'qqqq'; there are \d{{3,}}, none of a similar name\.$"):
        resolve_tasks(["qqqq:validation"])


def test_all_tasks_that_the_mirror_lacks_are_named_at_once(tmp_path):
    with pytest.raises(UserError) as caught:
        resolve_tasks(["STS12", "STS13:validation"], tmp_path)
    lacks = f"The mirror {tmp_path} does not have the data of "
    cure = "add them, laid out as on the hub, leave --mirror out to use the hub"
    assert str(caught.value) == f"{lacks}STS12 (mteb/sts12-sts), STS13:validation (mteb/sts13-sts): {cure}."
    (tmp_path / "mteb/sts13-sts").mkdir(parents=True)
    (tmp_path / "mteb/stsbenchmark-sts").mkdir(parents=True)
    with pytest.raises(
        UserError, match=r"does not have the data of SICK-R \(mteb/sickr-sts\), .*--tasks STSBenchmark\.$"
    ):
        resolve_tasks(["quick"], tmp_path)
    with pytest.raises(
        UserError, match=r"does not have the data of CQADupstackRetrieval \(mteb/CQADupstackAndroidRetrieval, .*\): add"
    ):
        resolve_tasks(["CQADupstackRetrieval"], tmp_path)


@pytest.mark.usefixtures("no_hub")
def test_a_hub_that_cannot_be_reached_is_told_before_anything_runs():
    with pytest.raises(
        UserError, match=r"^The data of STS12, BIOSSES are on the hub, and http://127.0.0.1:9 cannot be"
    ):
        resolve_tasks(["STS12", "BIOSSES"])


def sts_words(path):
    table = parquet.read_table(path)
    return " ".join(table["sentence1"].to_pylist() + table["sentence2"].to_pylist()).lower().split()


@needs_mirror
def test_a_model_that_collapsed_has_no_sts_score_and_that_is_said(tmp_path):
    every_word_unknown = static_model()
    [failure] = evaluate(every_word_unknown, "flat", resolve_tasks(["STS13"], MIRROR), tmp_path)
    assert isinstance(failure, Failure) and failure.task == "STS13"
    assert failure.reason.startswith("STS13 has no score for st-isotropy/flat: cosine_spearman is nan, as when")
    assert not (tmp_path / "STS13.json").exists()


@needs_mirror
def test_sts_pairs_give_mtebs_spearman(tmp_path):
    words = [word for path in (MIRROR / "mteb/sts13-sts/data").iterdir() for word in sts_words(path)]
    model = static_model(words=sorted(set(words)))
    (scores,) = evaluate(model, "small", resolve_tasks(["STS13"], MIRROR), tmp_path)
    ((key, pairs),) = scores.pairs.items()
    assert (key, len(pairs.gold), scores.units) == ("default/test", 1500, {})
    assert spearmanr(pairs.similarity, pairs.gold).statistic == pytest.approx(scores.score, abs=1e-5)


@needs_mirror
@pytest.mark.slow
def test_a_classification_task_from_the_mirror_scores_every_test_text(tmp_path):
    (scores,) = evaluate(static_model(), "small", resolve_tasks(["Banking77Classification"], MIRROR), tmp_path)
    assert len(scores.units) == 3080
    assert np.mean(list(scores.units.values())) == pytest.approx(scores.score, abs=1e-5)


@needs_mirror
def test_a_task_from_the_mirror_leaves_mtebs_own_class_alone():
    (source,) = resolve_tasks(["STS12"], MIRROR)
    assert source.make().metadata.dataset["path"] == str(MIRROR / "mteb/sts12-sts")
    assert mteb.get_task("STS12").metadata.dataset["path"] == "mteb/sts12-sts"


@needs_mirror
@pytest.mark.slow
def test_minilm_has_its_published_scores_on_sts(tmp_path):
    try:
        model = load_model("minilm")
    except UserError as error:
        pytest.skip(str(error))
    scores = evaluate(model, "minilm", resolve_tasks(["STSBenchmark", "STS12"], MIRROR), tmp_path)
    assert [100 * each.score for each in scores] == pytest.approx([82.0, 72.4], abs=0.1)
