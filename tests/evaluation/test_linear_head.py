"""A linear head trained with cross-entropy: the loss by hand, the head on disk, and a study that is scored by it."""

import copy

import pytest
import torch
from datasets import Dataset
from own_data import sentences, write_labels, write_lines, write_pairs
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from small_corpus import static_model
from torch.nn.functional import cross_entropy

from evaluation.data.places import Sources
from evaluation.errors import UserError
from evaluation.measure.scores import evaluate
from evaluation.measured import TaskScores
from evaluation.models.linear_head import LinearHeadLoss, head_of
from evaluation.report.measures import Pair
from evaluation.study.description import Grid, Regime, Study
from evaluation.study.leakage import drop_evaluated_pairs, evaluated_texts
from evaluation.study.run import run_study
from evaluation.study.runner import Backend
from evaluation.tasks.resolve import resolve_tasks
from evaluation.train.columns import for_objective
from evaluation.train.pairs import load_pairs
from evaluation.train.training import Recipe, Term, train
from st_isotropy.regularizers import PersistentEntropy

TEXTS = sentences(8)
LABELS = torch.tensor([0, 1, 0, 1, 0, 1, 0, 0])


@pytest.fixture
def data(tmp_path):
    """Texts and pairs with labels, in three and two splits."""
    for seed, split in enumerate(("train", "validation", "test")):
        write_labels(tmp_path / "topics" / f"{split}.tsv", count=90, seed=seed)
    for seed, split in enumerate(("train", "validation")):
        write_pairs(tmp_path / "same" / f"{split}.tsv", column="label", seed=seed)
    return tmp_path


@pytest.mark.parametrize(
    ("regularizer", "weight"),
    [
        ("authors_all_bars", 2.0),
        ("authors_prominent_bars", 2.0),
        ("label_entropy", 3000.0),
        ("label_prominent_entropy", 30_000.0),
    ],
)
def test_loss_and_gradient_are_cross_entropy_plus_the_penalty_of_each_label(regularizer, weight):
    model = static_model()
    by_hand = copy.deepcopy(model)
    loss = Term(regularizer, weight).around(model, LinearHeadLoss(model, 2))
    with torch.no_grad():
        model[-1].linear.weight.normal_(generator=torch.Generator().manual_seed(0))
    terms = loss([model.preprocess(TEXTS)], LABELS)
    sum(terms.values()).backward()

    embeddings = by_hand(by_hand.preprocess(TEXTS))["sentence_embedding"]
    clouds = [embeddings[LABELS == label] for label in (0, 1)]
    selection = "prominent" if "prominent" in regularizer else "all"
    if regularizer.startswith("authors"):
        kind = PersistentEntropy(selection=selection, normalize=False, deficit=False)
        penalty = sum(kind(cloud) for cloud in clouds)
    else:
        penalty = sum(PersistentEntropy(selection=selection)(cloud) for cloud in clouds) / 2
    head = copy.deepcopy(model[-1].linear)
    base = cross_entropy(head(embeddings), LABELS)
    assert abs(weight * penalty) > 0.1
    (base + weight * penalty).backward()
    assert [term.item() for term in terms.values()] == pytest.approx([base.item(), weight * penalty.item()])
    expected = by_hand[0].embedding.weight.grad
    assert expected.abs().max() > 0
    torch.testing.assert_close(model[0].embedding.weight.grad, expected)


def test_a_head_starts_at_zero_and_leaves_the_embedding_alone():
    model = static_model()
    before = model.encode(TEXTS, convert_to_tensor=True)
    LinearHeadLoss(model, 3)
    features = model(model.preprocess(TEXTS))
    assert features["logits"].shape == (8, 3) and not features["logits"].any()
    torch.testing.assert_close(features["sentence_embedding"], before)
    torch.testing.assert_close(model.encode(TEXTS, convert_to_tensor=True), before)


def test_a_head_is_saved_with_its_model(tmp_path):
    rows = Dataset.from_dict({"text": TEXTS, "label": LABELS.tolist()})
    trained = train(static_model(), rows, Recipe("linear_head", 5, 4, 0.1), None, 0, tmp_path / "cell")
    again = SentenceTransformer(str(tmp_path / "cell" / "model"))
    assert head_of(static_model()) is None
    assert head_of(again).weight.any() and head_of(again).bias.shape == (2,)
    torch.testing.assert_close(head_of(again).weight, head_of(trained).weight)
    torch.testing.assert_close(again.encode(TEXTS), trained.encode(TEXTS))


@pytest.mark.parametrize("name", ["topics-head", "topics-head:report", "same-head"])
def test_a_head_is_scored_by_its_own_classes(data, tmp_path, name):
    rows = load_pairs(f"{name.split('-')[0]}:train", Sources(folders=(data,)))
    model = train(static_model(), rows, Recipe("linear_head", 30, 16, 0.05), None, 0, tmp_path / "cell")
    [source] = resolve_tasks([name], folders=[data])
    [scores] = evaluate(model, "own", [source], tmp_path / "scores")
    assert isinstance(scores, TaskScores)
    task = source.make()
    task.load_data()
    tested = task.dataset["default"][task.eval_splits[0]]
    logits = model(model.preprocess(list(tested["text"])))["logits"]
    predicted, gold = logits.argmax(dim=1).tolist(), list(tested["label"])
    assert scores.score == pytest.approx(accuracy_score(gold, predicted))
    assert scores.others["f1"] == pytest.approx(
        f1_score(gold, predicted, average="binary" if name.startswith("same") else "macro")
    )
    assert scores.others["mcc"] == pytest.approx(matthews_corrcoef(gold, predicted))
    assert list(scores.units.values()) == [float(a == b) for a, b in zip(gold, predicted, strict=True)]
    assert scores.score > 0.5


def test_a_model_without_a_head_is_scored_by_a_logistic_regression(data, tmp_path):
    [scores] = evaluate(static_model(), "own", resolve_tasks(["topics-head"], folders=[data]), tmp_path / "scores")
    splits = {split: load_pairs(f"topics:{split}", Sources(folders=(data,))) for split in ("train", "test")}
    known, asked = (static_model().encode(list(rows["text"])) for rows in splits.values())
    probe = LogisticRegression(max_iter=1000).fit(known, splits["train"]["label"])
    assert scores.score == pytest.approx(probe.score(asked, splits["test"]["label"]))


def test_a_truncation_of_embeddings_leaves_the_scores_of_a_head_as_they_are(data, tmp_path):
    rows = load_pairs("topics:train", Sources(folders=(data,)))
    trained = train(static_model(), rows, Recipe("linear_head", 30, 16, 0.05), None, 0, tmp_path / "cell")
    tasks = resolve_tasks(["topics-head"], folders=[data])
    for name, model in (("trained", trained), ("start", static_model())):
        [whole] = evaluate(model, name, tasks, tmp_path / name)
        model.truncate_dim = 4
        [short] = evaluate(model, name, tasks, tmp_path / f"{name}-short")
        assert short.score == whole.score


def test_pairs_are_joined_by_a_line_break_and_labels_are_numbered(data):
    rows = load_pairs("same:train", Sources(folders=(data,)))
    assert rows.column_names == ["text", "label"] and set(rows["label"]) == {0, 1}
    first, second = (data / "same" / "train.tsv").read_text().splitlines()[1].split("\t")[:2]
    assert rows["text"][0] == f"{first}\n{second}"


def test_what_a_head_is_tested_on_is_not_trained_on(data):
    tasks = resolve_tasks(["topics-head:validation"], folders=[data])
    for split, left in (("validation", 0), ("test", 90)):
        rows, dropped = drop_evaluated_pairs(
            load_pairs(f"topics:{split}", Sources(folders=(data,))), evaluated_texts(tasks)
        )
        assert (len(rows), dropped) == (left, 90 - left)


def test_a_head_is_not_trained_on_what_a_pair_task_asks_about_nor_pairs_on_what_a_head_is_tested_on(data):
    sources = Sources(folders=(data,), pairs=(data,))
    write_pairs(data / "asked.tsv", column="score", seed=1)  # the sentences of same:validation
    by_pairs = evaluated_texts(resolve_tasks(["asked"], folders=[data]))
    by_head = evaluated_texts(resolve_tasks(["same-head:validation"], folders=[data]))
    for name, known in (("same:train", 0), ("same:validation", 60), ("asked", 60)):
        rows = load_pairs(name, sources)
        assert drop_evaluated_pairs(rows, by_pairs)[1] == drop_evaluated_pairs(rows, by_head)[1] == known


def test_labels_and_pairs_are_not_mistaken_for_each_other(data):
    rows = load_pairs("topics:train", Sources(folders=(data,)))
    with pytest.raises(UserError, match="objective cosine trains on pairs, but the columns here are text, label"):
        for_objective(rows, "cosine", None, 8)
    pairs = Dataset.from_dict({"anchor": ["a"], "positive": ["b"]})
    with pytest.raises(UserError, match=r"linear_head trains on texts with labels, such as cola:train, but .* anchor"):
        for_objective(pairs, "linear_head", None, 8)


def test_a_split_that_is_not_there_is_told(data):
    with pytest.raises(UserError, match=r"same-head in .* has no split test: it has validation, and the parts tune"):
        resolve_tasks(["same-head:test"], folders=[data])
    with pytest.raises(UserError, match=r"same in .*same has no split test: train, validation"):
        load_pairs("same:test", Sources(folders=(data,)))
    with pytest.raises(UserError, match="There is no task, task type, benchmark or preset 'other-head'"):
        resolve_tasks(["other-head"], folders=[data])


def test_labels_that_no_head_can_learn_are_told(tmp_path):
    folder = tmp_path / "one"
    for split, count in (("train", 1), ("test", 3)):
        write_labels(folder / f"{split}.tsv", count=count)
    with pytest.raises(UserError, match=r"train\.tsv: all labels are 'a'; give at least two different ones\."):
        load_pairs("one:train", Sources(folders=(tmp_path,)))
    for split in ("train", "test"):
        write_lines(tmp_path / "hidden" / f"{split}.tsv", ["sentence1\tsentence2\tlabel", "a\tb\t-1", "c\td\t-1"])
    with pytest.raises(UserError, match=r"train\.tsv: all labels are -1, so a head has nothing to learn\."):
        load_pairs("hidden:train", Sources(folders=(tmp_path,)))
    write_labels(folder / "train.tsv", count=2)
    with pytest.raises(UserError, match=r"test\.tsv has labels that are not in train: c; a head cannot learn them"):
        load_pairs("one:train", Sources(folders=(tmp_path,)))
    (folder / "test.tsv").unlink()
    assert list(load_pairs("one:train", Sources(folders=(tmp_path,)))["label"]) == [0, 1]
    with pytest.raises(UserError, match="one has a train split only, but a head is tested on another one: add test"):
        resolve_tasks(["one-head"], folders=[tmp_path])


def test_a_head_of_other_classes_is_refused(data, tmp_path):
    model = static_model()
    LinearHeadLoss(model, 7)
    [failure] = evaluate(model, "own", resolve_tasks(["topics-head"], folders=[data]), tmp_path / "scores")
    assert failure.reason == "The model's head has 7 classes and the data set 3."
    with pytest.raises(UserError, match="The start model already has a linear head"):
        LinearHeadLoss(model, 3)


def test_a_prompt_of_the_model_is_put_before_no_text_of_a_head(data, tmp_path):
    scores = []
    for prompts in ({}, {"Classification": " ".join(sentences(1, words=30))}):
        model = static_model()
        model.prompts = prompts
        scores += evaluate(model, "own", resolve_tasks(["topics-head"], folders=[data]), tmp_path / str(len(prompts)))
    assert scores[0].units == scores[1].units


def test_a_head_learns_at_the_rate_of_an_encoder_because_it_sees_embeddings_that_are_not_normalized():
    model = static_model()
    model.append(Normalize())
    plain = static_model().encode(TEXTS, convert_to_tensor=True)
    LinearHeadLoss(model, 2)
    torch.testing.assert_close(model.encode(TEXTS, convert_to_tensor=True), plain)
    assert [type(module).__name__ for module in model] == ["StaticEmbedding", "Dense"]


@pytest.mark.parametrize("change", ["bfloat16", "truncated"])
def test_a_head_fits_a_model_of_another_precision_or_a_truncated_one(change):
    model = static_model()
    if change == "bfloat16":
        model.bfloat16()
    else:
        model.truncate_dim = 4
    loss = LinearHeadLoss(model, 2)([model.preprocess(TEXTS)], LABELS)
    loss.backward()
    assert loss.item() == pytest.approx(0.6931, abs=2e-3)  # ln 2: the head starts at zero


def test_the_data_of_a_head_are_found_from_another_folder(data, monkeypatch):
    monkeypatch.chdir(data.parent)
    [source] = resolve_tasks(["topics-head"], folders=[data.relative_to(data.parent)])
    monkeypatch.chdir("/")
    source.make().load_data()


HEAD = Regime("linear_head", "cola:train", (1e-3,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"posthoc": ("center",)}, "'linear_head on cola:train' trains a head, which no transform can follow"),
        ({"test": ("cola-head", "mrpc-head:test")}, "trains a head for cola-head, and mrpc-head would be scored by it"),
        ({"posthoc_of": ("koleo",)}, "has posthoc_of but no posthoc"),
    ],
)
def test_a_study_of_heads_that_would_mislead_is_refused(change, message):
    whole = {"regimes": (HEAD,), "regularizers": (Grid("koleo", (1.0,)),), "test": ("cola-head:validation",)}
    Study("Does it?", ("static",), **whole)
    with pytest.raises(UserError, match=message):
        Study("Does it?", ("static",), **{**whole, **change})


def test_a_study_compares_heads_with_accuracy_f1_and_mcc(data, tmp_path):
    static_model().save_pretrained(str(tmp_path / "model"), create_model_card=False)
    study = Study(
        title="Does it?",
        models=(str(tmp_path / "model"),),
        regimes=(Regime("linear_head", "topics:train", (0.05,), steps=20, batch_size=16),),
        regularizers=(Grid("authors_prominent_bars", (1,)),),
        test=("topics-head",),
        seeds=2,
    )
    summary = run_study(study, Sources(folders=(data,)), tmp_path / "run", Backend())
    [section] = summary.sections
    rows = {row.name: row for row in section.rows}
    assert not summary.missing
    for name in ("topics-head accuracy", "topics-head F1", "topics-head MCC", "first component share"):
        assert set(rows[name].values) == {"start", "none", "authors_prominent_bars"}
        assert rows[name].comparisons(Pair("authors_prominent_bars", "none"))
    assert len(rows["topics-head accuracy"].values["none"]) == 2
