"""A run directory comes from anyone, so nothing in it is unpickled: no code that could do so is in the package."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "evaluation").rglob("*.py"), *(ROOT / "st_isotropy").rglob("*.py")])
UNPICKLING = {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
LOADERS = {"torch.load", "joblib.load", "pd.read_pickle", "pandas.read_pickle", "pickle.load", "pickle.loads"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_can_be_unpickled(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert UNPICKLING.isdisjoint(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.module not in UNPICKLING
            assert not (node.module in ("torch", "joblib", "numpy") and {a.name for a in node.names} & {"load"})
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in LOADERS
            if called in ("np.load", "numpy.load"):
                allowed = [keyword.value for keyword in node.keywords if keyword.arg == "allow_pickle"]
                assert [ast.unparse(value) for value in allowed] == ["False"], "say allow_pickle=False"
