"""Grids that grow while a choice lies at an end: by their own ratio, for all variants alike, up to a bound."""

from dataclasses import replace

import pytest

from evaluation.report.grid_ends import GridEnd
from evaluation.study.description import Grid, Regime, Study
from evaluation.study.search import Search, warn_of_ends
from evaluation.study.settings import settings

REGIME = Regime("cosine", "docstrings", (1e-3, 3e-3))
STUDY = Study(
    "Does it?",
    ("static",),
    (REGIME,),
    (Grid("koleo", (0.3, 1.0)), Grid("mst_length", ("auto:0.1", "auto:0.2"))),
    ("STS12",),
    ("STS13",),
    extend=2,
)
FAST = GridEnd("none", "learning rate", 3e-3, "highest")
LIGHT = GridEnd("koleo", "weight", 0.3, "lowest")


def test_one_choice_at_an_end_adds_the_next_value_for_all_variants() -> None:
    search = Search.of(STUDY, REGIME).beyond([FAST])
    assert search is not None and search.regime.learning_rates == (1e-3, 3e-3, 9e-3)
    added = {setting.variant for setting, extension in search.extension.items() if extension == 1}
    assert added == {"none", "koleo", "mst_length"}
    assert {setting.learning_rate for setting, extension in search.extension.items() if extension == 1} == {9e-3}


def test_every_regularizer_gets_one_more_weight_so_that_budgets_stay_equal() -> None:
    search = Search.of(STUDY, REGIME).beyond([LIGHT])
    assert search is not None
    assert [grid.weights for grid in search.study.regularizers] == [
        (0.3, 1.0, 0.09),
        ("auto:0.1", "auto:0.2", "auto:0.05"),
    ]
    assert search.study.settings_each == 3 and set(search.extension) == set(settings(search.study, REGIME))


def test_weights_beside_temperature_scales_stay_so_that_budgets_stay_equal() -> None:
    regime = Regime("contrastive", "docstrings", (1e-3, 3e-3), temperature_scales=(5, 20))
    study = replace(STUDY, regimes=(regime,))
    assert Search.of(study, regime).beyond([LIGHT]) is None
    search = Search.of(study, regime).beyond([FAST, LIGHT])
    assert search is not None and search.study == study and search.regime.learning_rates == (1e-3, 3e-3, 9e-3)


def test_a_grid_grows_up_to_the_bound_at_either_end() -> None:
    search: Search | None = Search.of(STUDY, REGIME)
    for rates in ((1e-3, 3e-3, 9e-3), (1e-3, 3e-3, 9e-3, 2.7e-2)):
        assert search is not None
        search = search.beyond([FAST])
        assert search is not None and search.regime.learning_rates == rates
    assert search is not None and search.beyond([FAST]) is None
    slower = search.beyond([replace(FAST, end="lowest"), FAST])
    assert slower is not None and slower.regime.learning_rates[-1] == 3.33e-4
    assert sorted(set(slower.extension.values())) == [0, 1, 2, 3]


def test_nothing_grows_where_no_choice_lies_at_an_end_or_the_study_does_not_say_so() -> None:
    assert Search.of(STUDY, REGIME).beyond([]) is None
    assert Search.of(replace(STUDY, extend=0), REGIME).beyond([FAST, LIGHT]) is None


def test_weights_grow_only_where_those_of_every_regularizer_have_a_ratio() -> None:
    for weights in ((-1.0, 1.0), (0.0, 1.0), (1.0, "auto")):
        study = replace(STUDY, regularizers=(*STUDY.regularizers[:1], Grid("mst_length", weights)))
        assert Search.of(study, REGIME).beyond([LIGHT]) is None


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"regimes": (replace(REGIME, learning_rates=(1e-3, 3e-3, 1e-2)),)}, ["koleo", "mst_length"]),
        ({"regularizers": (Grid("koleo", (0.3, 1, 3)),)}, ["cosine on docstrings"]),
        ({"regularizers": (Grid("koleo", (0, 0.3, 1)),)}, ["cosine on docstrings"]),
        ({"regularizers": (Grid("koleo", (0, 0.3)),)}, ["cosine on docstrings", "koleo"]),
        ({"regularizers": (Grid("koleo", (0.3, 1, "auto")),)}, ["cosine on docstrings"]),
        ({"extend": 1}, []),
        ({"extend": 1, "regularizers": (Grid("koleo", (0.3, 1, "auto:0.1", "auto:1")),)}, ["koleo"]),
    ],
)
def test_a_grid_that_has_ends_only_is_warned_of_unless_it_will_grow(changes: dict, warned: list[str]) -> None:
    warnings = warn_of_ends(replace(STUDY, **{"extend": 0, **changes}))
    assert [warning.split("'")[1] for warning in warnings] == warned


def test_a_warning_says_what_cures_a_grid_that_has_ends_only() -> None:
    regime = Regime("contrastive", "docstrings", (1e-3,), temperature_scales=(5, 20), name="pairs")
    study = replace(STUDY, regimes=(regime,), regularizers=(Grid("koleo", (0.3, "auto")),), extend=0)
    counted = "of its grid, and a difference that rests on a choice at an end counts neither as a gain nor as a loss: "
    assert warn_of_ends(study) == [
        f"Each temperature scale of 'pairs' (5 and 20) is an end {counted}give at least three values."
    ]
    rates = replace(REGIME, name="pairs")
    assert warn_of_ends(replace(study, regimes=(rates,))) == [
        f"Each learning rate of 'pairs' (0.001 and 0.003) is an end {counted}give at least three values, or extend = 1."
    ]
