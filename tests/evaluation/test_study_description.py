"""The description of a study: read from TOML, checked before anything runs, with equal budgets for every variant."""

import re
from dataclasses import replace

import pytest

from evaluation.errors import UserError
from evaluation.study.description import Grid, Regime, Study, coarse_grids
from evaluation.study.reading import read_study
from evaluation.study.settings import Setting, seeds_each, settings

REGIME = Regime("cosine", "docstrings", (1e-3, 4e-3))
STUDY = Study(
    title="Does it?",
    models=("static",),
    regimes=(REGIME,),
    regularizers=(Grid("persistent_entropy", (3, 30)), Grid("koleo", (0.1, "auto"))),
    test=("STS12",),
    validation=("STS13",),
)
TOML = """
title = "Does it?"
models = ["static"]
test = ["STS12"]
validation = ["STS13"]

[[regimes]]
objective = "cosine"
pairs = "docstrings"
learning_rates = [1e-3, 4e-3]

[[regularizers]]
regularizer = "persistent_entropy"
weights = [3, 30]

[[regularizers]]
regularizer = "koleo"
weights = [0.1, "auto"]
"""


def written(folder, text):
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_toml_file_says_the_same_as_the_dataclasses(tmp_path):
    assert read_study(written(tmp_path, TOML)) == STUDY


def test_a_mark_at_the_start_of_a_file_does_no_harm(tmp_path):
    path = written(tmp_path, TOML)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_study(path).title == "Does it?"


def test_every_variant_gets_equally_many_settings():
    sizes = {}
    for setting in settings(STUDY, REGIME):
        sizes[setting.variant] = sizes.get(setting.variant, 0) + 1
    assert sizes == {"none": 2, "persistent_entropy": 4, "koleo": 4}


def test_all_variants_are_tried_at_the_same_learning_rates():
    rates = {}
    for setting in settings(STUDY, REGIME):
        rates.setdefault(setting.variant, set()).add(setting.learning_rate)
    assert set(map(frozenset, rates.values())) == {frozenset(REGIME.learning_rates)}


def test_learning_rates_that_are_far_apart_are_warned_of():
    assert coarse_grids(replace(STUDY, regimes=(replace(REGIME, learning_rates=(1e-3, 3.5e-3)),))) == []
    warning = r"The learning rates 0\.002 and 0\.016 of '.*' are 8 times apart: put others between, at most 3\.5 times"
    [found] = coarse_grids(replace(STUDY, regimes=(replace(REGIME, learning_rates=(1e-3, 2e-3, 1.6e-2)),)))
    assert re.match(warning, found)


def test_with_one_setting_each_there_is_nothing_to_choose():
    regime = replace(REGIME, learning_rates=(1e-3,))
    study = replace(STUDY, regimes=(regime,), regularizers=(Grid("koleo", (1.0,)),), validation=())
    assert not study.is_tuned
    assert [(each.variant, each.learning_rate) for each in settings(study, regime)] == [("none", 1e-3), ("koleo", 1e-3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": ()}, r"The study has no models; give one at least\."),
        ({"seeds": 0}, r"The study has seeds = 0 and needs a whole number from 1\."),
        ({"extend": -1}, r"The study has extend = -1 and needs a whole number from 0\."),
        (
            {
                "extend": 1,
                "regimes": (replace(REGIME, learning_rates=(1e-3,)),),
                "regularizers": (Grid("koleo", (1.0,)),),
            },
            r"The study has extend = 1, but tries one setting of each variant: leave it out, or give two learning",
        ),
        ({"models": ("static", "static")}, r"more than one model named static; give each a name of its own\."),
        ({"regimes": (REGIME, REGIME)}, r"more than one regime named cosine on docstrings"),
        ({"posthoc": ("centre",)}, r"There is no post-hoc transform 'centre'; near names are center"),
        ({"posthoc_of": ("koleoo",)}, r"There is no variant 'koleoo'; near names are koleo"),
        ({"indexes": ("hsnw",)}, r"There is no index 'hsnw'; near names are hnsw"),
        ({"regularizers": (Grid("koleo", (1.0,)), Grid("koleo", (2.0,)))}, r"more than one variant named koleo"),
        ({"regularizers": (Grid("koleo", (1.0,), name="none"),)}, r"more than one variant named none"),
        (
            {"regularizers": (Grid("koleo", (1.0,)), Grid("uniformity", (1.0, 2.0)))},
            r"Budgets must be equal, but the numbers of settings at a learning rate differ "
            r"\(none 1, koleo 1, uniformity 2\); only an objective alone may have fewer, a whole part of the others'\.",
        ),
        ({"validation": ()}, r"more than one setting to choose from, so the study needs validation tasks\."),
    ],
)
def test_a_study_that_cannot_be_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        replace(STUDY, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": "cosin"}, r"There is no objective 'cosin'; near names are cosine"),
        ({"learning_rates": ()}, r"learning_rates = \[\] and needs positive numbers\."),
        ({"learning_rates": (-1.0,)}, r"learning_rates = \[-1\.0\] and needs positive numbers\."),
        ({"learning_rates": (1e-3, 1e-3)}, r"names a learning rate twice\."),
        ({"warmup": 1.0}, r"warmup = 1\.0 and needs a share of the steps, from 0 to below 1\."),
        ({"warmup": -0.1}, r"warmup = -0\.1 and needs a share"),
        ({"steps": 0}, r"steps = 0 and needs a whole number from 1\."),
        ({"teacher": "minilm"}, r"a teacher goes with the objective distillation and no other\."),
        ({"objective": "distillation"}, r"a teacher goes with the objective distillation and no other\."),
    ],
)
def test_a_regime_that_cannot_be_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        replace(REGIME, **change)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((), r"The regularizer 'koleo' has no weights"),
        ((1.0, 1.0), r"The regularizer 'koleo' names a weight twice\."),
        ((float("nan"),), r"The weight of koleo is nan and must be a finite number"),
        (("rising:3",), r"""The weight of koleo is 'rising:3' and must be a finite number, "auto","""),
        (([1.0],), r"The regularizer 'koleo' has \[1\.0\] among its weights; give numbers or texts\."),
        (("auto:much",), r"The weight of koleo is 'auto:much' and must be"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, message):
    with pytest.raises(UserError, match=message):
        Grid("koleo", weights)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Does it?"\n', "", r"There is no title in the study .*study\.toml\."),
        ('pairs = "docstrings"\n', "", r"There is no pairs in the study .*study\.toml, \[\[regimes\]\] number 1\."),
        ("learning_rates", "learning_rate", r"no key in .*, \[\[regimes\]\] number 1, 'learning_rate'; near names are"),
        ("[1e-3, 4e-3]", "1e-3", r"In the study .*, learning_rates is 0\.001 and must be a list\."),
        ("learning_rates", 'warmup = "some"\nlearning_rates', r"number 1, warmup is 'some' and must be a number\."),
        (
            "learning_rates",
            "distinct_classes = 1\nlearning_rates",
            r"distinct_classes is 1 and must be true or false\.",
        ),
        ('title = "Does it?"', "title = true", r"title is True and must be a text\."),
        ('title = "Does it?"', 'title = "Does it?"\nseeds = true', r"seeds is True and must be a whole number\."),
        ('title = "Does it?"', 'title = "Does it?"\nposthoc = [1]', r"posthoc holds 1 and must be a list of texts\."),
        ("[[regimes]]", "[regimes]", r"write regimes as tables, each under \[\[regimes\]\]\."),
        ("title =", "title", r"The study .*study\.toml is no TOML file: .*line 2"),
    ],
)
def test_a_file_that_describes_no_study_is_refused(tmp_path, old, new, message):
    with pytest.raises(UserError, match=message):
        read_study(written(tmp_path, TOML.replace(old, new)))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"The study .*missing\.toml cannot be read \(No such file or directory\)\."):
        read_study(tmp_path / "missing.toml")


TEMPERED = Regime("contrastive", "known", (1e-3,), temperature_scales=(5, 20), name="in-batch")
VARIANTS = Study(
    title="Are negatives needed?",
    models=("static",),
    regimes=(TEMPERED,),
    regularizers=(
        Grid("absolute_entropy", (0.3, 1, 3, 10), objective="alignment"),
        Grid("koleo", (0.1, 0.3), temperature_scales=(5, 10)),
        Grid("none", objective="contrastive_two_sided", temperature_scales=(5, 20), name="two-sided"),
        Grid("none", objective="alignment"),
    ),
    test=("STS12",),
    validation=("STS13",),
)


def test_a_variant_may_have_an_objective_and_temperatures_of_its_own():
    found = settings(VARIANTS, TEMPERED)
    assert VARIANTS.variants == ("none", "alignment + absolute_entropy", "koleo", "two-sided", "alignment")
    assert found[:2] == [Setting("none", "", 0.0, 1e-3, "", 5), Setting("none", "", 0.0, 1e-3, "", 20)]
    assert found[2] == Setting("alignment + absolute_entropy", "absolute_entropy", 0.3, 1e-3, "alignment", None)
    of_koleo = [(one.temperature_scale, one.weight) for one in found if one.variant == "koleo"]
    assert of_koleo == [(5, 0.1), (5, 0.3), (10, 0.1), (10, 0.3)]
    assert found[-3:] == [
        Setting("two-sided", "", 0.0, 1e-3, "contrastive_two_sided", 5),
        Setting("two-sided", "", 0.0, 1e-3, "contrastive_two_sided", 20),
        Setting("alignment", "", 0.0, 1e-3, "alignment", None),
    ]


def test_an_objective_alone_gets_as_many_times_more_seeds_as_it_has_fewer_settings():
    runs = {}
    for setting in settings(VARIANTS, TEMPERED):
        runs[setting.variant] = runs.get(setting.variant, 0) + seeds_each(VARIANTS, TEMPERED, setting)
    assert set(runs.values()) == {8}


def test_a_toml_file_asks_for_distinct_classes(tmp_path):
    asking = TOML.replace('objective = "cosine"', 'objective = "contrastive"').replace(
        "learning_rates", "distinct_classes = true\nlearning_rates"
    )
    assert read_study(written(tmp_path, asking)).regimes[0].distinct_classes


def test_a_toml_file_names_objectives_and_temperatures(tmp_path):
    text = """
    title = "Are negatives needed?"
    models = ["static"]
    test = ["STS12"]
    validation = ["STS13"]
    [[regimes]]
    name = "in-batch"
    objective = "contrastive"
    pairs = "known"
    learning_rates = [1e-3]
    temperature_scales = [5, 20]
    [[regularizers]]
    regularizer = "absolute_entropy"
    weights = [0.3, 1, 3, 10]
    objective = "alignment"
    [[regularizers]]
    regularizer = "koleo"
    weights = [0.1, 0.3]
    temperature_scales = [5, 10]
    [[regularizers]]
    name = "two-sided"
    regularizer = "none"
    objective = "contrastive_two_sided"
    temperature_scales = [5, 20]
    [[regularizers]]
    regularizer = "none"
    objective = "alignment"
    """
    assert read_study(written(tmp_path, text)) == VARIANTS


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (
            Grid("koleo", (1, 2), objective="cosine"),
            "The variant 'cosine + koleo' trains with cosine on scored rows, and the regime 'in-batch' with "
            "contrastive on positive ones: take objectives for the same rows.",
        ),
        (
            Grid("koleo", (1,), objective="alignment", temperature_scales=(5, 20)),
            "The variant 'alignment + koleo' has temperature_scales, but alignment has no temperature; contrastive, "
            "contrastive_two_sided, contrastive_all_sides have one.",
        ),
        (
            Grid("koleo", (1,), temperature_scales=(5, 5)),
            "The variant 'koleo' has temperature_scales = [5, 5] and needs different positive numbers.",
        ),
    ],
)
def test_an_objective_that_does_not_fit_its_regime_is_refused(grid, message):
    with pytest.raises(UserError) as error:
        replace(VARIANTS, regularizers=(grid,))
    assert str(error.value) == message


def test_a_variant_without_regularizer_has_an_objective_and_no_weights():
    for options in ({"weights": (1,), "objective": "alignment"}, {"name": "alignment"}):
        with pytest.raises(UserError) as error:
            Grid("none", **options)
        assert str(error.value) == ("The variant 'alignment' has no regularizer: give it an objective, and no weights.")
