"""A run directory comes from anyone, so nothing in it is unpickled: no code that could do so is in the package."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "evaluation").rglob("*.py"), *(ROOT / "st_isotropy").rglob("*.py")])
UNPICKLING = {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
LOADERS = {"torch.load", "joblib.load", "pd.read_pickle", "pandas.read_pickle", "pickle.load", "pickle.loads"}


def test_nothing_can_be_unpickled():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not unpickles(node), f"{path}, line {node.lineno}"


def test_what_unpickles_is_recognized():
    for code in ("import pickle", "from joblib import load", "torch.load(path)", "np.load(path)"):
        assert any(map(unpickles, ast.walk(ast.parse(code)))), code
    assert not any(map(unpickles, ast.walk(ast.parse("np.load(path, allow_pickle=False)"))))


def unpickles(node):
    """Whether a node imports or calls what reads pickles; numpy is told not to by allow_pickle=False."""
    if isinstance(node, ast.Import):
        return not UNPICKLING.isdisjoint(alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        loads = "load" in {alias.name for alias in node.names}
        return node.module in UNPICKLING or (loads and node.module in ("torch", "joblib", "numpy"))
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    if called in ("np.load", "numpy.load"):
        allowed = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "allow_pickle"]
        return allowed != ["False"]
    return called in LOADERS
