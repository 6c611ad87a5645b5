"""The page is one file that loads nothing, and a stranger's words in it stay words."""

from __future__ import annotations

import json
import re

from m3n.reports.view.clip import Clip, Entry, Part
from m3n.reports.view.page import as_json, page

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>[[script]]\u2028&amp;"


def data_of(text: str) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return dict(json.loads(found))


def test_names_from_tables_cannot_become_html() -> None:
    entry = Entry(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.0, 1.0)
    plain = page("a place", [entry], clips={0: Clip(1.0)}, body=False)
    text = page(HOSTILE, [entry], HOSTILE, {0: Clip(1.0, {"labels": [Part(0.0, 1.0, HOSTILE)]}, note=HOSTILE)}, body=False)
    for tag in ("<script", "</script", "<img", "<title"):
        assert text.count(tag) == plain.count(tag)
    data = data_of(text)
    assert data["entries"][0][:5] == [HOSTILE] * 5
    assert data["clips"]["0"]["bands"]["labels"][0][2] == data["title"] == data["notice"] == HOSTILE


def test_scripts_never_write_html() -> None:
    text = page("a place", [], clips={}, body=False)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)


def test_a_saved_page_loads_nothing_and_a_served_one_asks_its_server_alone() -> None:
    saved, served = page("a place", [], clips={}), page("a place", [])
    for text, asks in ((saved, "connect-src 'none'"), (served, "connect-src 'self'")):
        assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; {asks}" in text
        assert not re.search(r"https?://|\bsrc=|@import|url\(", text)
    assert data_of(saved)["clips"] == {}
    assert data_of(served)["clips"] is None


def test_json_for_a_script_element_holds_no_angle_bracket() -> None:
    text = as_json({"<b>": "a<!--&>"})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"<b>": "a<!--&>"}
