import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_corpus import small_corpus

from evaluation.data import docstrings as module
from evaluation.data.docstrings import (
    DocPair,
    distinct,
    docstring_corpus,
    docstring_pairs,
    positive_pairs,
    split,
)
from evaluation.errors import UserError

REST = "It goes on for a while, so that it is long enough to be a document of its own. " * 2
SOURCE = f'''
raise RuntimeError("this module must never be run")

def long_enough():
    """Say something worth reading
    in one paragraph.

    {REST}

    More of it.
    """

def _private():
    """Say something worth reading too.

    {REST}
    """

def short():
    """Too short.

    {REST}
    """

def templated():
    """Return the %(name)s of this object or list.

    {REST}
    """

class Thing:
    """A thing without a second paragraph in sight."""

    async def method(self):
        r"""Do what methods do with things, \\d.

        {REST}
        """
        def nested():
            """Never seen from the outside, this one.

            {REST}
            """
'''


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def corpus(cache):
    return docstring_corpus(cache, ("numpy", "sklearn"))


def texts(pairs):
    return {text for pair in pairs for text in (pair.first, pair.rest)}


def test_a_docstring_gives_its_first_paragraph_and_the_rest():
    first, method = docstring_pairs(SOURCE, "pkg.sub.module", "pkg")
    assert first == DocPair(
        "pkg.sub.module.long_enough",
        "pkg",
        "pkg.sub",
        "Say something worth reading in one paragraph.",
        f"{REST.strip()} More of it.",
    )
    assert (method.name, method.first) == ("pkg.sub.module.Thing.method", r"Do what methods do with things, \d.")


def test_a_long_rest_is_cut_at_a_word():
    source = 'def f():\n    """Twenty-five characters or more.\n\n    ' + "word " * 400 + '"""'
    (pair,) = docstring_pairs(source, "m", "m")
    assert 590 <= len(pair.rest) <= 600
    assert pair.rest.endswith(" word")


def test_a_text_that_occurred_before_on_either_side_is_dropped():
    a = DocPair("a", "p", "p.a", "The first text.", "The second text.")
    again = replace(a, name="b", first="Another text")
    crossed = replace(a, name="c", first="Something else", rest="the FIRST text")
    itself = replace(a, name="d", first="Same, same", rest="same same")
    fresh = replace(a, name="e", first="Fresh", rest="And new")
    assert [pair.name for pair in distinct([a, again, crossed, itself, fresh])] == ["a", "e"]


def test_no_text_is_in_both_train_and_test(corpus):
    assert len(corpus.train) > 500
    assert len(corpus.test) > 250
    assert texts(corpus.train).isdisjoint(texts(corpus.test))
    everything = corpus.train + corpus.test
    assert len(texts(everything)) == 2 * len(everything)


def test_about_a_third_is_held_out_and_a_text_never_changes_sides(corpus):
    assert 0.28 < len(corpus.test) / len(corpus.train + corpus.test) < 0.38
    fewer = split(corpus.test[:50] + corpus.train[:50], {})
    assert set(fewer.test) == set(corpus.test[:50])


def test_labels_are_packages_and_subpackages(corpus):
    assert {pair.package for pair in corpus.test} == {"numpy", "sklearn"}
    assert {"numpy.linalg", "sklearn.cluster"} <= {pair.subpackage for pair in corpus.train + corpus.test}
    assert not any(".tests." in pair.name for pair in corpus.train + corpus.test)


def test_the_corpus_is_the_same_from_the_cache_and_from_the_sources(corpus, cache, tmp_path):
    (path,) = cache.glob("docstrings-*.json")
    path.with_name("." + path.name + ".1.tmp").write_text("half a fi")
    before = path.stat().st_mtime_ns
    assert docstring_corpus(cache, ("numpy", "sklearn")).sha256 == corpus.sha256
    assert path.stat().st_mtime_ns == before
    assert docstring_corpus(tmp_path, ("numpy", "sklearn")) == corpus


def test_the_versions_read_are_recorded_and_other_versions_are_read_anew(corpus, cache):
    import numpy
    import sklearn

    assert corpus.versions == {"numpy": numpy.__version__, "sklearn": sklearn.__version__}
    docstring_corpus(cache, ("numpy",))
    assert len(list(cache.glob("docstrings-*.json"))) == 2


def test_a_changed_label_changes_the_hash():
    corpus = small_corpus()
    other = replace(corpus, test=(replace(corpus.test[0], package="elsewhere"), *corpus.test[1:]))
    assert corpus.sha256 == small_corpus().sha256 != other.sha256


def test_packages_are_read_without_importing_them(tmp_path):
    code = (
        "import sys; from pathlib import Path; from evaluation.data.docstrings import docstring_corpus; "
        "before = set(sys.modules); docstring_corpus(Path(sys.argv[1]), ('sklearn',)); "
        "print([name for name in set(sys.modules) - before if name.startswith('sklearn')])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "[]"


def test_positive_pairs_are_the_training_pairs():
    corpus = small_corpus()
    assert positive_pairs(corpus).to_dict() == {
        "anchor": [pair.first for pair in corpus.train],
        "positive": [pair.rest for pair in corpus.train],
    }


def test_a_corpus_of_one_text_is_refused():
    only = small_corpus().train[:1]
    with pytest.raises(
        UserError, match=r"^The corpus has 1 training and 0 held-out pairs and needs at least 2 of each"
    ):
        split(only, {})
    with pytest.raises(UserError, match=r"^The corpus has 0 training and 0 held-out pairs"):
        split([], {})


def test_a_library_that_is_missing_is_named_with_its_install_command(tmp_path, monkeypatch):
    monkeypatch.setitem(module.LIBRARIES, "no_such_library", "no-such-library")
    with pytest.raises(
        UserError, match=r"reads no_such_library, which is not installed: pip install no-such-library\."
    ):
        docstring_corpus(tmp_path, ("no_such_library",))


def test_the_cache_holds_plain_json(cache, corpus):
    path = max(cache.glob("docstrings-*.json"), key=lambda each: each.stat().st_size)
    assert len(json.loads(path.read_text())) == len(corpus.train) + len(corpus.test)
