"""What the documentation's sentences claim of the studies is checked against their results."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from example_summary import COSINE, ISOSCORE, MEAN, row

pytest.importorskip("matplotlib", reason="the figures of the documentation need the extra eval")

from evaluation.documentation import claims
from evaluation.documentation.in_place import refresh_page
from evaluation.documentation.results import StudySection
from evaluation.errors import UserError
from evaluation.report.grid_ends import Candidate
from evaluation.report.measures import Measure, Row
from evaluation.report.summary import Section

PQ = Measure("retrieval", "retention", "cisi", "pq", "in range", only_corpus=True)
BETTER, WORSE, SAME, SLIGHT = [1.6, 1.7, 1.8], [-0.4, -0.2, -0.3], [-0.2, 0.1, 0.1], [0.04, 0.05, 0.06]


def section(
    regime: str, entropy: list[float], whitening: list[float], tuning: Sequence[Candidate] = (), rising: bool = True
) -> Section:
    changes = {"entropy": entropy, "whitening": whitening}
    rows = [
        row(ISOSCORE if rising else COSINE, {"entropy": SLIGHT, "whitening": BETTER}),
        Row(Measure("isotropy", "small"), {"entropy": [0.002, 0.004, 0.004]}),
        row(MEAN, changes),
        row(Measure("similarity", "cosine_spearman", "STS12"), {"entropy": WORSE, "whitening": BETTER}),
        row(Measure("similarity", "ndcg_at_10", "cisi"), {"entropy": SAME, "whitening": WORSE}),
        row(Measure("labels", "accuracy", "cola"), {"entropy": BETTER, "whitening": SAME}),
        row(PQ, {"entropy": BETTER, "whitening": WORSE}),
        row(replace(PQ, index="one-bit", status="no headroom"), {"entropy": BETTER, "whitening": WORSE}),
    ]
    model, _, name = regime.partition(", ")
    return Section(regime, ["none", "entropy", "whitening"], rows, model=model, regime=name, tuning=list(tuning))


@pytest.fixture(autouse=True)
def studies(monkeypatch: pytest.MonkeyPatch) -> None:
    tuning = [
        Candidate("none", 0, 0.00566, [30.0, 31.0], {}, True),
        Candidate("entropy", 3, 0.004, [30.0], {}, False),
        Candidate("entropy", 10, 0.004, [33.0], {}, True),
        Candidate("entropy", 30, 0.004, [31.0], {}, False),
    ]
    at_the_end = [replace(candidate, chosen=candidate.weight in (0, 3)) for candidate in tuning]
    found = [
        StudySection("first", section("static, cosine on a", BETTER, WORSE, tuning)),
        StudySection("first", section("glove, cosine on a", SLIGHT, SAME)),
        StudySection("second", section("static, in-batch on b, batch 8", SAME, BETTER, rising=False)),
        StudySection("ended", section("static, cosine on c", BETTER, WORSE, at_the_end)),
        StudySection("ended", section("glove, cosine on c", SAME, WORSE, at_the_end)),
    ]
    monkeypatch.setattr(claims, "sections_of_studies", lambda: found)


def written(claim: str, shown: str = "?") -> str:
    return f"{shown}<!-- {claim} -->"


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("gain: first, static, entropy", "+1.70 [+1.45, +1.95]"),
        ("gain: first, glove, entropy", "+0.050 [+0.025, +0.075]"),
        ("loss: first, static, whitening", "−0.30 [−0.55, −0.05]"),
        ("loss: first, static, entropy, STS", "−0.30 [−0.55, −0.05]"),
        ("null: first, static, entropy, retrieval", "+0.00 [−0.43, +0.43]"),
        ("gain: first, static, entropy, classification", "+1.70 [+1.45, +1.95]"),
        ("gain: first, static, whitening, isotropy", "+1.70 [+1.45, +1.95]"),
        ("gain: first, static, entropy, pq", "+1.70 [+1.45, +1.95]"),
        ("loss: second, any, entropy, isotropy", "+0.050 [+0.025, +0.075]"),
        ("gain: second, any, entropy beside whitening, isotropy", "−1.65 [−1.87, −1.43]"),
        ("gain: first, static, entropy beside whitening", "+2.00 [+1.75, +2.25]"),
        ("loss: first, static, whitening beside entropy, pq", "−2.00 [−2.25, −1.75]"),
        ("gain: second, static in-batch 8, whitening", "+1.70 [+1.45, +1.95]"),
        ("loss: ended, static, whitening", "−0.30 [−0.55, −0.05]"),
        ("null: ended, glove, entropy", "+0.00 [−0.43, +0.43]"),
    ],
)
def test_a_claim_that_holds_becomes_its_number(claim: str, text: str) -> None:
    wrapped = claim.replace(" ", "\n", 2).replace("\n", " ", 1)
    found = refresh_page(f"so {written(claim)} points, {written(wrapped)}, or 9.9 {written(claim, text)}", "page", {})
    assert found.text == f"so {written(claim, text)} points, {written(wrapped, text)}, or 9.9 {written(claim, text)}"
    assert found.stale == [written(claim), written(wrapped)]


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ("gain: first, static, whitening", "in static, cosine on a (first) it is worse: −0.30 [−0.55, −0.05]"),
        ("loss: first, static, entropy", "in static, cosine on a (first) it is better: +1.70 [+1.45, +1.95]"),
        ("null: first, glove, entropy", "in glove, cosine on a (first) it is better: +0.050 [+0.025, +0.075]"),
        (
            "gain: first, any, entropy",
            "first, any names 2 regimes: static, cosine on a (first); glove, cosine on a (first)",
        ),
        ("gain: third, any, entropy", "third, any names 0 regimes"),
        ("gain: first, static, koleo", "static, cosine on a (first) does not compare koleo by mean"),
        ("gain: first, static, entropy, one-bit", "static, cosine on a (first) does not compare entropy by one-bit"),
        ("gain: first, static, entropy, speed", "static, cosine on a (first) does not compare entropy by speed"),
        (
            "gain: ended, static, entropy",
            "in static, cosine on c (ended) it is at an end of a grid: +1.70 [+1.45, +1.95]",
        ),
        ("gain: first", "_outcome() missing 2 required positional arguments: 'regime' and 'variant'"),
    ],
)
def test_a_claim_that_does_not_hold_is_an_error_that_names_the_page_and_says_what_is_so(claim: str, why: str) -> None:
    with pytest.raises(UserError) as error:
        refresh_page(f"Text {written(claim)}.", "docs/page.md", {})
    assert str(error.value).startswith(f"docs/page.md: {written(claim, '')} does not hold: {why}")


def test_a_claim_without_a_number_is_an_error() -> None:
    claim = "gain: first, static, entropy"
    with pytest.raises(UserError, match="no number before it: write"):
        refresh_page(f"It gained {written(claim, '')} points.", "docs/page.md", {})


@pytest.mark.parametrize("shown", ["+0.42 [+0.06, +0.78] before Holm's adjustment", "-3", "2.5", "+0.1 [-0.1,\n+0.3]"])
def test_a_difference_that_only_the_adjustment_takes_away_says_so(monkeypatch: pytest.MonkeyPatch, shown: str) -> None:
    found = [StudySection("first", section("static", [0.25, 0.5, 0.5], SAME))]  # p 0.038, and 0.077 of two
    monkeypatch.setattr(claims, "sections_of_studies", lambda: found)
    for claim in ("null: first, static, entropy", "null: first, static, entropy beside none"):
        due = "+0.42 [+0.06, +0.78] before Holm's adjustment"
        assert refresh_page(written(claim, shown), "page", {}).text == written(claim, due)


@pytest.mark.parametrize("measure", ["STS", "pq"])
def test_a_difference_by_a_part_of_a_group_is_adjusted_over_the_variants_too(
    monkeypatch: pytest.MonkeyPatch, measure: str
) -> None:
    part = PQ if measure == "pq" else Measure("similarity", "cosine_spearman", "STS12")
    slight = [0.25, 0.5, 0.5]  # p 0.038
    of_two = section_of(part, {"entropy": slight, "whitening": SAME})
    monkeypatch.setattr(claims, "sections_of_studies", lambda: [StudySection("first", of_two)])
    with pytest.raises(UserError, match=re.escape("no difference found: +0.42 [+0.06, +0.78], Holm's p 0.075 among 2")):
        refresh_page(written(f"gain: first, static, entropy, {measure}"), "page", {})
    due = "+0.42 [+0.06, +0.78] before Holm's adjustment"
    claim = f"null: first, static, entropy, {measure}"
    assert refresh_page(written(claim), "page", {}).text == written(claim, due)
    alone = section_of(part, {"entropy": slight})
    monkeypatch.setattr(claims, "sections_of_studies", lambda: [StudySection("first", alone)])
    claim = f"gain: first, static, entropy, {measure}"
    assert refresh_page(written(claim), "page", {}).text == written(claim, "+0.42 [+0.06, +0.78]")


def test_a_difference_from_any_variant_is_adjusted_over_all_that_can_be_compared_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = {"entropy": [0.25, 0.5, 0.5], "whitening": SAME, "other": [0.0, 0.0, 0.01]}
    monkeypatch.setattr(claims, "sections_of_studies", lambda: [StudySection("first", section_of(MEAN, changes))])
    with pytest.raises(UserError, match=r"no difference found: .*, Holm's p 0.1\d among 3"):
        refresh_page(written("gain: first, static, entropy beside other"), "page", {})


def section_of(measure: Measure, changes: dict[str, list[float]]) -> Section:
    return Section("static", ["none", *changes], [row(measure, changes)], model="static", regime="static")


def test_the_name_of_a_variant_can_have_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    variant = "entropy, weight 1"
    rows = [row(MEAN, {variant: BETTER, "entropy": WORSE}), row(PQ, {variant: SAME, "entropy": SAME})]
    other = Section("static", ["none", variant, "entropy"], rows, model="static", regime="static")
    monkeypatch.setattr(claims, "sections_of_studies", lambda: [StudySection("first", other)])
    for claim, text in {
        f"gain: first, static, {variant}": "+1.70 [+1.45, +1.95]",
        f"null: first, static, {variant}, pq": "+0.00 [−0.43, +0.43]",
        f"gain: first, static, {variant} beside entropy": "+2.00 [+1.75, +2.25]",
        "loss: first, static, entropy": "−0.30 [−0.55, −0.05]",
    }.items():
        assert refresh_page(written(claim), "page", {}).text == written(claim, text)
