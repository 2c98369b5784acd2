"""The page as text: nothing from outside, everything escaped, every number with its folder, sizes within bounds."""

import html as entities
import json
import math
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from modelsgenesis.evaluate.analysis import analyse
from modelsgenesis.evaluate.examples import FILE, Example, write_examples
from modelsgenesis.evaluate.reading import load_benchmark
from modelsgenesis.report.build import Written, build_report, tables_of
from modelsgenesis.report.bundle import packed_script
from modelsgenesis.report.groups import ROOM_OF_A_RUN, example_groups
from modelsgenesis.report.rows import score_rows
from tests.report.conftest import HOSTILE
from tests.report.sample import Sample, write_benchmark

VOID = {"meta", "img", "input", "br", "link", "image", "hr"}


class Page(HTMLParser):
    """Collects elements and checks that they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_is_well_formed_with_unique_identifiers(html: str) -> None:
    page = Page(html)
    assert page.open == []
    names = [attributes["id"] for _, attributes in page.found if attributes.get("id")]
    assert len(names) == len(set(names))


def test_nothing_comes_from_outside(html: str) -> None:
    page = Page(html)
    places = [a[name] for _, a in page.found for name in ("src", "href", "xlink:href", "data", "poster") if a.get(name)]
    outside = {place for place in places if re.match(r"[a-z]+:", str(place)) and not str(place).startswith("data:")}
    assert outside == {"https://github.com/niivue/niivue"}  # a link for readers, nothing that is loaded
    assert not page.all("link")
    assert not page.all("iframe")
    assert "@import" not in html
    assert not re.search(r"url\(\s*['\"]?https?:", html)


def test_policy_forbids_requests_and_foreign_scripts(html: str) -> None:
    (policy,) = [str(a["content"]) for a in Page(html).all("meta") if a.get("http-equiv")]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert all(source.startswith("'sha256-") for source in rules["script-src"].split())
    assert not {"connect-src", "font-src", "frame-src", "worker-src"} & rules.keys()


def test_untrusted_text_is_escaped(html: str) -> None:
    assert HOSTILE not in html
    assert entities.escape(HOSTILE).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in html


def test_json_cannot_end_its_element(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>"
    sample = Sample({hostile: {"scratch": 0.7}}, seeds=(0,), subjects=4, examples=False)
    folder = write_benchmark(tmp_path / "b", sample)
    page = build_report([folder], tmp_path / "report.html").page.read_text(encoding="utf-8")
    assert "<script>alert" not in page
    text = re.search(r'id="tables">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    assert hostile in json.loads(text[1])["scores"]["csv"]


def test_names_are_no_formulas(tmp_path: Path) -> None:
    sample = Sample({"lcs": {"scratch": 0.7, "$\\frac{<b>": 0.8}}, seeds=(0,), subjects=4, examples=False)
    page = build_report([write_benchmark(tmp_path / "b", sample)], tmp_path / "report.html").page
    text = page.read_text(encoding="utf-8")
    assert "<b>:" not in text
    assert "$\\frac{&lt;b&gt;" in text


def test_links_lead_somewhere(html: str, written: Written) -> None:
    page = Page(html)
    names = {attributes.get("id") for _, attributes in page.found}
    places = [str(a["href"]) for a in page.all("a")]
    assert {place[1:] for place in places if place.startswith("#")} <= names
    folders = {unquote(place) for place in places if not place.startswith(("#", "https:"))}
    there = {place for place in folders if (written.page.parent / place).is_dir()}
    assert folders == there
    assert len(folders) >= 24 + 1  # every run, and the pre-training


def test_every_score_names_its_folders(html: str) -> None:
    table = html[html.index('class="scores"') : html.index("</table>")]
    for arm in ("scratch", "genesis"):
        for seed in range(3):
            assert f"benchmark/runs/lcs/{arm}/1/{seed}" in table


def test_every_row_of_every_table_leads_to_its_runs(html: str) -> None:
    for table in re.findall(r"<table[^>]*>.*?</table>", html, re.DOTALL):
        caption = re.search(r"<caption>(.*?)</caption>", table, re.DOTALL)
        assert caption is not None
        if "papers report" in caption[1]:
            continue
        body = table[table.index("<tbody") :]
        for row in re.findall(r"<tr>.*?</tr>", body, re.DOTALL):
            assert 'href="#' in row or 'class="folder"' in row, (caption[1], row)


def test_the_papers_stand_beside(html: str) -> None:
    assert "Genesis Chest CT <b>0.983</b> ± 0.004" in html
    assert "IoU, mean over thresholds: another metric than ours" in html
    assert "arXiv:2004.07882" in html


def test_leak_and_failure_are_told(html: str) -> None:
    assert "LCS leaks: two subjects" in html
    assert 'id="leaks"' in html
    assert "lcs-000 and lcs-001" in html
    assert "One run of 25 did not finish" in html


def test_another_scale_is_told(html: str) -> None:
    other = "voxels of 2x2x2 mm in pre-training, voxels of 5x5x5 mm here, a factor of 2.5"
    assert f"NCC mixes up scale and pre-training for genesis: {other}." in html
    assert 'id="scales"' in html


def test_what_tuning_tried_is_told(html: str, written: Written) -> None:
    (table,) = [path for path in written.tables if path.name == "tuning.csv"]
    assert 'id="tuning"' in html
    assert "optim.lr 0.001,0.51" in table.read_text(encoding="utf-8")
    (marked,) = [path for path in written.tables if path.name == "tuning.md"]
    assert marked.read_text(encoding="utf-8").count("**optim.lr 0.002**") == 2


def test_tables_are_beside_and_inside(html: str, written: Written) -> None:
    text = re.search(r'id="tables">(.*?)</script>', html, re.DOTALL)
    assert text is not None
    inside = json.loads(text[1])
    assert {"scores", "differences", "labels", "runs", "papers", "restoration", "splits", "tuning"} <= inside.keys()
    for path in written.tables:
        assert path.read_text(encoding="utf-8") == inside[path.stem][path.suffix[1:]]
    rows = inside["runs"]["csv"].splitlines()
    assert len(rows) == 1 + 24


def test_a_pre_training_of_two_arms_is_told_once(benchmark_folder: Path) -> None:
    comparison = load_benchmark(benchmark_folder)
    (arm, path), *_ = comparison.pretraining.items()
    shared = replace(comparison, pretraining={arm: path, "other": path})
    table = tables_of(shared, analyse(shared), benchmark_folder)["restoration"]
    assert [row[0] for row in table.rows] == [f"{arm}, other"]


def test_headings_do_not_skip_a_level(html: str) -> None:
    levels = [int(tag[1]) for tag, _ in Page(html).found if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_pictures_and_tables_are_named(html: str) -> None:
    page = Page(html)
    assert all(a.get("alt") for a in page.all("img"))
    assert all(a.get("aria-label") or a.get("aria-labelledby") for a in page.all("svg"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_volumes_are_small_and_compressed(html: str, written: Written) -> None:
    volumes = re.findall(r'class="volume" id="[^"]+">([^<]*)</script>', html)
    assert len(volumes) == 6 + 3 * 6  # cubes of a classification; image, truth and prediction of a segmentation
    assert max(map(len, volumes)) < 500_000
    assert written.bytes < 6_000_000


def test_without_volumes_there_is_no_viewer(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "b", Sample({"lcs": {"scratch": 0.7}}, seeds=(0,), subjects=4, examples=False))
    written = build_report([folder], tmp_path / "report.html")
    assert packed_script()[:100] not in written.page.read_text(encoding="utf-8")
    assert written.bytes < 250_000


def test_large_examples_have_pictures_only(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "b", Sample({"lcs": {"scratch": 0.7}}, seeds=(0,), subjects=4, examples=False))
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 100)).astype(np.uint8)
    assert noise.size > ROOM_OF_A_RUN * 0.45
    kept = [Example(f"c{n}", "s", "best", 0.9, noise, (1.0, 1.0, 1.0), (0.0, 1.0)) for n in range(4)]
    write_examples(folder / "runs/lcs/scratch/1/0/predictions", kept)
    page = build_report([folder], tmp_path / "report.html").page.read_text(encoding="utf-8")
    assert page.count('class="volume"') == 1
    assert page.count('class="card"') == 4


def test_images_have_examples_without_a_viewer(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "b", Sample({"dxc": {"scratch": 0.7}}, seeds=(0,), subjects=4, examples=False))
    flat = np.random.default_rng(0).integers(0, 256, (64, 48)).astype(np.uint8)
    kept = [Example("x-ray", "s", "best", 0.9, flat, (1.0, 1.0), (0.0, 1.0), told="truth: none; answer: Mass 0.9")]
    write_examples(folder / "runs/dxc/scratch/1/0/predictions", kept)
    page = build_report([folder], tmp_path / "report.html").page.read_text(encoding="utf-8")
    assert 'viewBox="0 0 64 48.00"' in page
    assert "truth: none; answer: Mass 0.9" in page
    assert 'class="volume"' not in page


def test_a_run_without_a_score_is_no_example(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "benchmark", Sample({"lcs": {"scratch": 0.7}}, seeds=(0, 1, 2, 3), spread=0.05))
    found = load_benchmark(folder)
    defined = sorted(found.results[:3], key=lambda run: run.score)
    for run in found.results[1:]:
        shutil.copy(found.results[0].run / "predictions" / FILE, run.run / "predictions")
    lost = replace(found, results=(*defined, replace(found.results[3], score=math.nan)))
    (group,) = example_groups(lost, score_rows(lost, analyse(lost), {}), tmp_path, [])
    assert group.folder == f"benchmark/{defined[1].run.relative_to(folder)}"
