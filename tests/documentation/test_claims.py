"""What the documentation's sentences claim of the studies is checked against their results."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from example_summary import COSINE, ISOSCORE, MEAN, row

pytest.importorskip("matplotlib", reason="the figures of the documentation need the extra eval")

from evaluation.documentation import claims, results
from evaluation.documentation.claims import checked
from evaluation.documentation.generated import filled
from evaluation.documentation.results import StudySection
from evaluation.errors import UserError
from evaluation.report.grid_ends import Candidate
from evaluation.report.measures import Measure, Row
from evaluation.report.summary import Section

DOCS = results.ROOT / "docs"
PQ = Measure("retrieval", "retention", "cisi", "pq", "in range", only_corpus=True)
PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
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
def studies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "page" in request.fixturenames:
        return
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


@pytest.mark.parametrize("page", PAGES)
def test_every_claim_of_a_page_holds(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert not claims.CLAIM.search(filled(text))
    assert len(re.findall(r"\{\{", text)) == len(claims.CLAIM.findall(text))  # none is misspelled and stays as it is


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("gain: first, static, entropy", "1.7"),
        ("gain: first, glove, entropy", "0.05"),
        ("loss: first, static, whitening", "0.3"),
        ("loss: first, static, entropy, STS", "0.3"),
        ("null: first, static, entropy, retrieval", "+0.00 [−0.43, +0.43]"),
        ("gain: first, static, entropy, classification", "1.7"),
        ("gain: first, static, whitening, isotropy", "1.7"),
        ("gain: first, static, entropy, pq", "1.7"),
        ("loss: second, any, entropy, isotropy", "0.05"),
        ("gain: second, any, entropy beside whitening, isotropy", "1.7"),
        ("gain: first, static, entropy beside whitening", "2.0"),
        ("loss: first, static, whitening beside entropy, pq", "2.0"),
        ("gain: sec*, static in-batch 8, whitening", "1.7"),
        ("gains: first second, any, entropy", "two"),
        ("nulls: first second, any, entropy", "one"),
        ("losses: first second, any, entropy", "none"),
        ("regimes: *, any, entropy", "five"),
        ("regimes: first f* second, any, entropy", "three"),
        ("gains: *, static, entropy or whitening", "two"),
        ("end: ended, static, entropy", "+1.70 [+1.45, +1.95]"),
        ("end: ended, static, entropy, STS", "−0.30 [−0.55, −0.05]"),
        ("end: ended, static, entropy beside whitening, pq", "+2.00 [+1.75, +2.25]"),
        ("loss: ended, static, whitening", "0.3"),
        ("null: ended, glove, entropy", "+0.00 [−0.43, +0.43]"),
        ("ends: ended, any, entropy", "one"),
        ("gains: ended, any, entropy", "none"),
        ("nulls: ended, any, entropy", "one"),
        ("least: *, any, entropy", "0.05"),
        ("most: *, any, entropy or whitening", "1.7"),
        ("value: first, static, entropy, STS12 Spearman", "49.7"),
        ("value: first, static, entropy, small", "0.0033"),
        ("validation: first, static, none, 0.0057", "30.5"),
        ("validation: first, static, entropy, 4e-3", "33.0"),
    ],
)
def test_a_claim_that_holds_becomes_its_number(claim: str, text: str) -> None:
    wrapped = claim.replace(" ", "\n", 1)
    assert checked(f"so {{{{{claim}}}}} points, {{{{{wrapped}}}}}") == f"so {text} points, {text}"


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ("gain: first, static, whitening", "in static, cosine on a (first) it is worse: −0.30 [−0.55, −0.05]"),
        ("loss: first, static, entropy", "in static, cosine on a (first) it is better: +1.70 [+1.45, +1.95]"),
        ("null: first, glove, entropy", "in glove, cosine on a (first) it is better: +0.050 [+0.025, +0.075]"),
        ("gain: first, any, entropy", "it names 2 regimes: static, cosine on a (first); glove, cosine on a (first)"),
        ("gain: third, any, entropy", "third has no regime any"),
        ("gains: first third, static, entropy", "third has no regime static"),
        ("gains: first, any, entropy or koleo", "no regime compares koleo by mean"),
        ("gain: first, static, koleo", "static, cosine on a (first) does not compare koleo by mean"),
        ("gain: first, static, entropy, one-bit", "static, cosine on a (first) does not compare entropy by one-bit"),
        ("gain: first, static, entropy, speed", "static, cosine on a (first) does not compare entropy by speed"),
        ("gains: first, any, koleo", "no regime compares koleo by mean"),
        ("least: first, any, whitening", "it gained nowhere"),
        (
            "gain: ended, static, entropy",
            "in static, cosine on c (ended) it is at an end of a grid: +1.70 [+1.45, +1.95]",
        ),
        ("end: first, static, entropy", "in static, cosine on a (first) it is better: +1.70 [+1.45, +1.95]"),
        ("least: ended, any, entropy", "it gained nowhere"),
        ("value: first, static, entropy, F1", "static, cosine on a (first) has no F1 of entropy"),
        ("validation: first, static, none, 1", "static, cosine on a (first) did not try none at a learning rate of 1"),
        ("win: first", "the kinds of claims are gain, loss, null, end, gains, losses, nulls, ends, regimes, least"),
        ("gain: first", "_outcome() missing 2 required positional arguments: 'regime' and 'variant'"),
    ],
)
def test_a_claim_that_does_not_hold_stops_the_build_and_says_what_is_so(claim: str, why: str) -> None:
    with pytest.raises(UserError) as error:
        checked(f"Text {{{{{claim}}}}}.")
    assert str(error.value).startswith(f"The documentation claims {{{{{claim}}}}}, but {why}")


def test_a_difference_that_only_the_adjustment_takes_away_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [StudySection("first", section("static", [0.25, 0.5, 0.5], SAME))]  # p 0.038, and 0.077 of two
    monkeypatch.setattr(claims, "sections_of_studies", lambda: found)
    for claim in ("{{null: first, static, entropy}}", "{{null: first, static, entropy beside none}}"):
        assert checked(claim) == "+0.42 [+0.06, +0.78] before Holm's adjustment"
