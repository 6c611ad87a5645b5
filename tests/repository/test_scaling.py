"""docs/scaling.md shows what the calculation prints, and the calculation does what its page says."""

from __future__ import annotations

import re
import runpy
from typing import Any

import pytest
from places import REPOSITORY


@pytest.fixture(scope="module")
def scaling() -> dict[str, Any]:
    return runpy.run_path(str(REPOSITORY / "tools" / "scaling.py"))


@pytest.fixture
def numbers(scaling: dict[str, Any]) -> dict[str, float]:
    return {name: number.value for name, number in scaling["NUMBERS"].items()}


def test_the_page_is_what_the_script_prints(scaling: dict[str, Any], numbers: dict[str, float]) -> None:
    page = (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- python tools/scaling.py -->\n(.*)\n<!-- end -->", page, re.S)
    assert shown.strip() == scaling["tables_of"](10e6, 1000, numbers)


def test_measured_numbers_stand_on_the_pages_that_they_name(scaling: dict[str, Any]) -> None:
    results, feed = ((REPOSITORY / "docs" / f"{name}.md").read_text() for name in ("results", "pretraining_data"))
    numbers = scaling["NUMBERS"]
    assert f"| {numbers['simulate'].value / 1e6:.2f} / " in results
    assert f"| {numbers['cpu_windows'].value:.0f} " in results
    assert f"| {numbers['feed_windows'].value:,.0f} |" in results
    assert f"take {numbers['window_kb'].value:.0f} kB each" in feed


def test_a_stage_takes_as_long_as_its_busiest_resource(scaling: dict[str, Any], numbers: dict[str, float]) -> None:
    def stages(**changes: float) -> list[Any]:
        return scaling["calculate"](1e6, 100, numbers | changes)[1]

    for stage in stages():
        assert stage.hours == stage.busy_h[stage.bound_by] == max(stage.busy_h.values()) > 0
        assert stage.dollars > 0
    simulate = stages(simulate=1.0)[0]  # a frame a second
    assert simulate.bound_by == "cores"
    assert simulate.hours == pytest.approx(1e6 * 300 / 32 / 3600)  # 32 cores
    assert stages(gpus=8)[2].hours == pytest.approx(stages(gpus=4)[2].hours / 2)
