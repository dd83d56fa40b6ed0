"""Embeddings in every container that holds valid rows; others are refused in one sentence."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
import scipy.sparse
import torch
from datasets import Dataset

from st_isotropy import isotropy
from st_isotropy.diagnosis.diagnosis import diagnose
from st_isotropy.metrics import alignment, hubness_skewness, isoscore, k_occurrences
from st_isotropy.metrics.rows import as_rows
from st_isotropy.posthoc import Center, apply_posthoc

ROWS = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
VALID: dict[str, Any] = {
    "negative strides": ROWS[::-1][::-1],
    "columns reversed twice": ROWS[:, ::-1].copy()[:, ::-1],
    "every other of twice as many": np.repeat(ROWS, 2, axis=0)[::2],
    "Fortran order": np.asfortranarray(ROWS),
    "big-endian": ROWS.astype(">f4"),
    "big-endian doubles": ROWS.astype(">f8"),
    "long doubles": ROWS.astype(np.longdouble),
    "a list of arrays": list(ROWS),
    "a list of tensors": list(torch.from_numpy(ROWS)),
    "a tuple of lists": tuple(ROWS.tolist()),
    "nested lists": ROWS.tolist(),
    "a list of lists of tensors": [list(torch.from_numpy(row)) for row in ROWS],
    "a data frame": pd.DataFrame(ROWS),
    "a data frame of nullable columns": pd.DataFrame(ROWS).astype("Float32"),
    "a column of a data frame": pd.Series(list(ROWS)),
    "a column of a data set": Dataset.from_dict({"rows": ROWS.tolist()})["rows"],
    "an array of objects": np.array([*ROWS, None], dtype=object)[:-1],
    "a masked array": np.ma.masked_array(ROWS, mask=False),
    "a matrix": np.matrix(ROWS),
    "a tensor that takes gradients": torch.from_numpy(ROWS).requires_grad_(),
}
every_container = pytest.mark.parametrize("container", VALID)


@every_container
def test_rows_are_measured_in_every_container(container):
    given = VALID[container]
    assert isoscore(given) == pytest.approx(isoscore(ROWS), rel=1e-5)
    assert hubness_skewness(given, given) == pytest.approx(hubness_skewness(ROWS, ROWS))
    assert k_occurrences(given).tolist() == k_occurrences(ROWS).tolist()
    assert alignment(given, ROWS) == pytest.approx(0, abs=1e-12)


@every_container
def test_a_transform_is_fitted_to_and_applied_to_rows_in_every_container(container):
    given = VALID[container]
    found = apply_posthoc(Center().fit_embeddings(given), given)
    torch.testing.assert_close(found.float(), apply_posthoc(Center().fit_embeddings(ROWS), ROWS), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("container", ["big-endian", "nested lists", "a data frame"])
def test_a_diagnosis_takes_every_container(container):
    given = VALID[container]
    found = diagnose(given, queries=given)
    assert found.queries == 40
    assert found.measures["isoscore"].value == pytest.approx(isotropy(ROWS)["isoscore"].value, rel=1e-5)


REFUSED: dict[str, tuple[Any, str]] = {
    "rows of unequal lengths": (
        [[1.0, 2.0], [3.0, 4.0], [5.0]],
        "The rows have unequal lengths: row 0 has 2 numbers and row 2 has 1; pass embeddings of one model and one "
        "dimension.",
    ),
    "token matrices": (
        [torch.ones(3, 4), torch.ones(5, 4)],
        "These are 2 matrices of 3 to 5 rows, such as the tokens of texts; concatenate them to measure their rows as "
        "one cloud, or pass one embedding per text.",
    ),
    "token matrices in an array": (
        np.array([np.ones((3, 4)), np.ones((5, 4)), None], dtype=object)[:-1],
        "These are 2 matrices of 3 to 5 rows, such as the tokens of texts; concatenate them to measure their rows as "
        "one cloud, or pass one embedding per text.",
    ),
    "a nested tensor": (
        torch.nested.nested_tensor([torch.ones(3, 4), torch.ones(5, 4)]),
        "These are 2 matrices of 3 to 5 rows, such as the tokens of texts; concatenate them to measure their rows as "
        "one cloud, or pass one embedding per text.",
    ),
    "texts": (
        ["a cat", "two dogs"],
        "Embeddings are rows of numbers, but one row is 'a cat'; pass an array of shape (n, d).",
    ),
    "a text": ("a cat", "Embeddings are rows of numbers, but this is a str; pass an array of shape (n, d)."),
    "nothing": (None, "Embeddings are rows of numbers, but this is a NoneType; pass an array of shape (n, d)."),
    "a dictionary": (
        {"a": [1.0]},
        "Embeddings are rows of numbers, but this is a dict; pass an array of shape (n, d).",
    ),
    "a frame with texts": (
        pd.DataFrame({"text": ["a", "b"], "x": [1.0, 2.0]}),
        "Embeddings are rows of numbers, but one row is \"['a' 1.0]\"; pass an array of shape (n, d).",
    ),
    "complex numbers": (
        np.ones((3, 3), dtype=complex),
        "Embeddings are numbers, but these are of type complex128; pass an array of shape (n, d).",
    ),
    "complex tensors": (
        torch.ones(3, 3, dtype=torch.complex64),
        "Embeddings are real numbers, but these are of type torch.complex64; pass an array of shape (n, d).",
    ),
    "a sparse matrix": (
        scipy.sparse.eye(4).tocsr(),
        "Isotropy is measured on dense embeddings, but these are sparse; use a SentenceTransformer, not a "
        "SparseEncoder.",
    ),
    "masked values": (
        np.ma.masked_array(np.ones((3, 2)), mask=[[True, False], [False, False], [False, False]]),
        "1 of 3 embeddings hold NaN or infinite values, the first in row 0; leave those rows out or fix the model that "
        "made them.",
    ),
    "an empty list": (
        [],
        "Isotropy is measured on an array of shape (n, d) with at least 2 rows and 2 columns, but this one has shape "
        "(0,); pass one embedding per row.",
    ),
}


@pytest.mark.parametrize("container", REFUSED)
def test_what_holds_no_rows_is_refused_in_one_sentence(container):
    given, message = REFUSED[container]
    for measure in (isoscore, Center().fit_embeddings, diagnose):
        with pytest.raises(ValueError) as error:
            measure(given)
        assert str(error.value) == message


def test_integers_of_every_width_are_numbers():
    codes = np.arange(24).reshape(8, 3) % 7
    for kind in (np.int8, np.uint8, np.uint16, np.int32, np.uint32, np.uint64, ">i4"):
        assert torch.equal(as_rows(codes.astype(kind)).double(), torch.from_numpy(codes).double())


def test_arrays_of_arrow_are_rows():
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    ragged = pyarrow.array(rows.tolist(), type=pyarrow.list_(pyarrow.float32()))
    fixed = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.ravel()), 8)
    for column in (ragged, fixed, pyarrow.chunked_array([fixed[:20], fixed[20:]])):
        assert np.array_equal(as_rows(column), rows)


def test_an_array_that_cannot_be_written_to_is_measured_without_a_warning(tmp_path, recwarn):
    rows = np.random.default_rng(0).normal(size=(60, 8))
    np.save(tmp_path / "rows.npy", rows)
    assert isotropy(np.load(tmp_path / "rows.npy", mmap_mode="r")) == isotropy(rows)
    assert list(recwarn) == []


def test_floats_of_8_bits_are_measured_in_32():
    rows = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)).to(torch.float8_e4m3fn)
    assert isotropy(rows)["isoscore"] == isotropy(rows.float())["isoscore"]


def test_a_tensor_without_numbers_is_refused():
    with pytest.raises(ValueError, match="a tensor on the device meta holds none; load the model first"):
        isotropy(torch.empty(60, 8, device="meta"))


@pytest.mark.parametrize("given", [np.zeros((3, 5)), [], np.zeros((3, 0))])
def test_a_transform_refuses_embeddings_of_another_width(given):
    transform = Center().fit_embeddings(np.random.default_rng(0).normal(size=(60, 8)))
    with pytest.raises(ValueError, match="The transform takes embeddings of 8 dimensions, but these have shape"):
        apply_posthoc(transform, given)
