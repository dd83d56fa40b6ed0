import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.errors import UserError
from evaluation.files import cache_root, delete_leftovers, file_name, folder_hash, new_folder, read_json, write_json


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]


def test_what_a_running_process_still_writes_is_no_leftover(tmp_path):
    with new_folder(tmp_path / "folder") as temporary:
        (temporary / "a").write_text("a")
        delete_leftovers(tmp_path)
    assert (tmp_path / "folder" / "a").exists()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".folder.{dead.pid}-{'0' * 32}.tmp").mkdir()
    (tmp_path / ".older.tmp").touch()
    delete_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_the_hash_of_a_folder_holds_what_is_in_linked_folders(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "disk" / "data").write_text("before")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "disk")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    before = folder_hash(tmp_path / "set")
    (tmp_path / "disk" / "data").write_text("after it")
    assert folder_hash(tmp_path / "set") != before


def test_a_new_folder_appears_only_when_its_block_ends_well(tmp_path):
    folder = tmp_path / "deep" / "folder"
    with new_folder(folder) as temporary:
        (temporary / "a").write_text("a")
        assert not folder.exists()
    assert (folder / "a").read_text() == "a"
    with pytest.raises(KeyError), new_folder(tmp_path / "deep" / "other") as temporary:
        raise KeyError
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_that_another_process_made_meanwhile_is_kept(tmp_path):
    with new_folder(tmp_path / "model") as temporary:
        (temporary / "weights").write_text("same")
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "weights").write_text("same")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "weights").read_text() == "same"


def test_the_cache_follows_the_environment(monkeypatch):
    monkeypatch.setenv("ST_ISOTROPY_CACHE", "~/mine")
    assert cache_root() == Path.home() / "mine"
    monkeypatch.delenv("ST_ISOTROPY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_root() == Path("/somewhere/st-isotropy")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "st-isotropy"


@pytest.mark.parametrize(
    "name",
    ["a:b", "a/b", "..", "", "con", "NUL.txt", "-", "<b>", "a b", "a\nb", "é", "x" * 300, "trailing.", ".hidden"],
)
def test_a_file_name_is_harmless_and_no_other_name_gives_it(name):
    harmless = file_name(name)
    assert re.fullmatch(r"\w[\w.-]{0,79}", harmless, re.ASCII) and not harmless.endswith(".")
    assert harmless.partition(".")[0].lower() not in ("con", "nul") and harmless != name
    assert len({file_name(each) for each in (name, harmless[1:] + "x", f"{name} ", f"{name}:")}) == 4


def test_a_harmless_name_stays_as_it_is():
    assert [file_name(name) for name in ("STSBenchmark.v2", "a_b-c")] == ["STSBenchmark.v2", "a_b-c"]


@pytest.mark.parametrize("content", [b'{"a": 1', b"\xff\x00"])
def test_a_damaged_file_is_named(content, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is broken \(.*\): delete it and rerun the command\.$"):
        read_json(tmp_path / "a.json")
