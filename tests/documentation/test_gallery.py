"""The pictures of the gallery: drawn from known points, and as they are committed."""

import re
from xml.etree import ElementTree

import pytest
import torch

pytest.importorskip("matplotlib", reason="the figures need the extra eval")

from evaluation.documentation.figures import drawn
from evaluation.documentation.gallery import CodeScore, barcodes, cones, one_bit_codes
from evaluation.documentation.results import ROOT
from evaluation.report.plots import Plot

PAGE = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


def read(plot: Plot) -> ElementTree.Element:
    return ElementTree.fromstring(drawn(plot, "picture"))


def words(root: ElementTree.Element) -> set[str | None]:
    return {element.text for element in root.iter(f"{SVG}text")}


def test_barcodes_have_a_bar_for_each_text_but_one() -> None:
    clouds = {"wide": torch.eye(5), "narrow": torch.eye(4) + 3}
    root = read(barcodes(clouds))
    assert {"wide", "narrow", "entropy 1.000, mean length 1.41"} <= words(root)
    bars = [group for group in root.iter(f"{SVG}g") if len(group.findall(f"{SVG}path")) > 2]
    assert [len(group.findall(f"{SVG}path")) for group in bars] == [4, 3]


def test_cones_say_the_average_cosine() -> None:
    half = torch.tensor([[1.0, 0.0], [0.5, 3**0.5 / 2]])
    root = read(cones({"right angle": torch.eye(2), "sixty degrees": half}))
    assert {"right angle", "sixty degrees", "average cosine 0.00", "average cosine 0.50"} <= words(root)


def test_one_bit_codes_say_what_is_lost() -> None:
    root = read(one_bit_codes([CodeScore("loses", 50.0, 40.0), CodeScore("gains", 30.0, 30.5)]))
    assert {"loses", "gains", "−10.0", "+0.5"} <= words(root)


def test_the_pictures_of_the_page_are_there_small_and_follow_the_theme() -> None:
    pictures = re.findall(r"^!\[([^\]]+)\]\((assets/gallery-[\w-]+\.svg)\)$", PAGE, re.MULTILINE)
    assert len(pictures) == 3
    for alternative, path in pictures:
        svg = (ROOT / "docs" / path).read_text(encoding="utf-8")
        assert len(alternative) > 60
        assert len(svg.encode()) < 60_000
        assert "prefers-color-scheme: dark" in svg
        assert ElementTree.fromstring(svg).find(f"{SVG}desc") is not None


def numbers(name: str) -> dict[str, list[float]]:
    """What a committed picture says of each model."""
    root = ElementTree.parse(ROOT / "docs" / "assets" / f"gallery-{name}.svg").getroot()
    said = (root.findtext(f"{SVG}desc") or "").replace("−", "-")
    lines = [line.partition(": ") for line in said.split("; ")]
    return {model: [float(found) for found in re.findall(r"-?\d+\.?\d*", text)] for model, _, text in lines}


def test_the_pictures_show_what_the_page_says() -> None:
    entropy, length = ({model: said[place] for model, said in numbers("barcodes").items()} for place in (1, 2))
    assert length["glove"] < length["static"] < length["minilm"]
    assert max(entropy.values()) - min(entropy.values()) < 0.01
    cosine = {name: said[0] for name, said in numbers("cones").items()}
    assert cosine["trained, relative entropy"] > cosine["as it is"] > 0.4
    assert max(abs(cosine["trained, absolute entropy"]), abs(cosine["whitened, not trained"])) < 0.1
    codes = numbers("one-bit")
    for model in ("static", "glove"):
        assert all(after > before for before, after in zip(codes[model], codes[f"{model}, whitened"], strict=True))
    assert all(after <= before for before, after in zip(codes["minilm"], codes["minilm, whitened"], strict=True))
    lost = {name: exact - one_bit for name, (exact, one_bit) in codes.items()}
    assert all(lost[f"{model}, whitened"] >= lost[model] for model in ("static", "glove", "minilm"))
