"""The bench: verdicts, alternation, and contenders that compute the same thing."""

import json
import operator
from functools import partial

import numpy as np
import pytest
import torch
from small_corpus import small_corpus, static_model

from evaluation.bench import run as bench
from evaluation.bench import suites as bench_suites
from evaluation.bench.cell import compare_costs, encode_once, score_plainly
from evaluation.bench.improve import beside_encoding, beside_search
from evaluation.bench.stopwatch import Figure, alternate, cost, in_fresh_process, speed_up
from evaluation.bench.suites import cloud, prominent_by_loop
from evaluation.errors import UserError
from evaluation.measure.scores import evaluate
from evaluation.processes import one_thread
from evaluation.tasks.loading import load
from evaluation.tasks.resolve import docstring_tasks
from st_isotropy.barcodes.selection import count_prominent
from st_isotropy.improve import Judgment, SearchTexts


@pytest.mark.parametrize(
    ("value", "spread", "at_least", "at_most", "missed"),
    [
        (4.0, 0.0, 4.0, None, False),
        (3.9, 0.2, 4.0, None, False),
        (3.7, 0.2, 4.0, None, True),
        (1.6, 0.2, None, 1.5, False),
        (1.8, 0.2, None, 1.5, True),
        (99.0, 0.0, None, None, False),
    ],
)
def test_a_target_is_missed_only_by_more_than_the_spread(value, spread, at_least, at_most, missed):
    assert Figure("case", "ours", "ms", value, spread, at_least, at_most).missed == missed


def test_contenders_run_once_a_round_in_a_drawn_order_after_one_warm_up_each():
    calls = []
    contenders = {name: partial(calls.append, name) for name in "abcd"}
    times = alternate(contenders, seconds=0)
    rounds = [calls[start : start + 4] for start in range(0, len(calls), 4)]
    assert len(rounds) == 4 and all(sorted(each) == list("abcd") for each in rounds)
    assert len({tuple(each) for each in rounds[1:]}) == 3  # nobody always follows the same one
    assert {name: len(values) for name, values in times.items()} == dict.fromkeys("abcd", 3)


def test_ratios_are_taken_round_by_round():
    times = {"ours": np.array([1.0, 2.0, 1.0]), "peer": np.array([4.0, 8.0, 4.0])}
    faster = speed_up("case", times, "ours", "peer", 3.0)
    assert faster == Figure("case", "ours", "times faster than", 4.0, 0.0, at_least=3.0, peer="peer")
    assert faster.quantity == "ours: times faster than peer"
    assert cost("case", times, "peer", "ours", 3.0).missed


@pytest.mark.parametrize("value", [1.0, 9.0])
def test_a_run_writes_every_figure_and_says_whether_a_target_was_missed(monkeypatch, tmp_path, capsys, value):
    def suite():
        """Nothing much."""
        yield Figure("tiny", "ours", "ms", value, at_most=5.0)

    monkeypatch.setitem(bench_suites.SUITES, "select", suite)
    assert bench.run(["select"], tmp_path) == (value < 5)
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["suites"]["select"] == [
        {
            "case": "tiny",
            "contender": "ours",
            "unit": "ms",
            "value": value,
            "spread": 0.0,
            "at_least": None,
            "at_most": 5.0,
            "peer": "",
            "quantity": "ours, ms",
            "missed": value > 5,
        }
    ]
    assert written["environment"]["packages"]["torch"] == torch.__version__
    assert ("missed" if value > 5 else "met") in capsys.readouterr().out


def test_an_unknown_bench_is_an_error_that_lists_the_known_ones(tmp_path):
    with pytest.raises(
        UserError, match=r"^There is no bench h7; there are h0, h1, select, step, large, cell, improve\.$"
    ):
        bench.run(["h0", "h7"], tmp_path)


def test_the_number_of_threads_is_restored():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["gauss", "cone", "clustered"])
def test_contenders_compute_the_same_gradient(kind):
    pytest.importorskip("torch_topological")
    gradients = []
    for contender in (
        bench_suites.h0_ours,
        bench_suites.h0_numpy,
        lambda points: bench_suites.torch_topological(points, 0),
    ):
        points = cloud(kind, 40).requires_grad_()
        contender(points)
        gradients.append(points.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(gradients[0], gradients[2], rtol=1e-3, atol=1e-4)


def test_the_published_loop_and_our_selection_count_the_same_bars():
    lengths = torch.rand(60, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) + 0.01
    assert prominent_by_loop(lengths) == count_prominent(lengths).item()


def test_memory_is_measured_in_a_process_of_its_own():
    spent = in_fresh_process(operator.mul, (b"x", 1), (b"x", 400_000_000))
    assert 350 < spent.megabytes < 600
    assert spent.seconds > 0


@pytest.mark.slow
def test_scoring_plainly_gives_the_scores_of_mteb(tmp_path):
    model, sources = static_model(), docstring_tasks(small_corpus)
    tasks = [source.make() for source in sources]
    for task in tasks:
        load(task)
    retrieval, accuracy, v_measure = (one.score for one in evaluate(model, "small", sources, tmp_path))
    plain = score_plainly(model, tasks)
    assert plain[:2] == pytest.approx([retrieval, accuracy], abs=1e-5)  # mteb rounds nDCG
    assert plain[2] == pytest.approx(v_measure, abs=0.05)  # other draws
    texts = {text for pair in small_corpus().test for text in (pair.first, pair.rest)}
    assert set(encode_once(model, tasks)) <= texts


@pytest.mark.slow
def test_a_measurement_is_timed_with_its_parts():
    figures = list(compare_costs("small", static_model(), docstring_tasks(small_corpus), rounds=1))
    limits = [(figure.quantity, figure.at_most) for figure in figures if figure.peer == "plain"]
    assert limits == [
        ("measuring: time over that of plain", 1.5),
        ("mteb's scores: time over that of plain", None),
    ]
    shares = {figure.contender: figure.value for figure in figures if figure.peer == "measuring"}
    assert list(shares) == ["mteb's scores", "isotropy"] and all(0 < share < 1.5 for share in shares.values())


def test_improve_is_timed_beside_encoding(monkeypatch):
    monkeypatch.setattr("st_isotropy.improve.adapter.STEPS", 1)
    documents = [f"word{number} word{number + 1} word{number + 2}" for number in range(80)]
    answers = tuple(Judgment({row: 1.0}) for row in range(50))
    texts = SearchTexts(documents, [f"word{row}" for row in range(50)], answers)
    figures = list(beside_encoding(static_model(), texts))
    assert {figure.case for figure in figures} == {"80 documents, 50 queries"}
    limits = {figure.contender: figure.at_most for figure in figures if figure.peer == "encoding"}
    assert limits == {"transforms": 0.1, "transforms and adapters": 1.0}
    assert all(figure.value > 0 for figure in figures)


@pytest.mark.slow
def test_improve_is_timed_beside_search_in_processes_of_their_own():
    time, ratio, memory = beside_search(4_000)
    assert time.case == "4,000 × 384 from a file, 1,000 queries"
    assert (time.unit, ratio.peer, memory.at_most) == ("s", "faiss search per candidate", 3_000)
    assert time.value > 0 and ratio.value > 0
