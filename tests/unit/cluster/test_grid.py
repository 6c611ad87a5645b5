"""Cells as Ray tasks: how many run at a time, in which order results come, and what one failure does to the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m3n.cluster.grid import run_cells
from m3n.errors import InputError

Cell = dict[str, Any]


def cell_that_sleeps() -> Callable[[Cell], Cell]:
    """A cell that waits `seconds`, counts who is at work beside it in `folder`, and raises what it is told to."""

    def run(cell: Cell) -> Cell:
        mine = Path(cell["folder"]) / cell["name"]
        mine.touch()
        time.sleep(cell["seconds"])
        beside = len(list(mine.parent.iterdir()))
        mine.unlink()
        if cell.get("error"):
            raise cell["error"]
        return {"beside": beside}

    return run  # not by its name: the workers do not know this file


@pytest.fixture
def cells(tmp_path: Path, ray_cluster: None) -> Callable[..., list[Cell]]:
    return lambda *seconds, **more: [
        {"folder": str(tmp_path), "name": str(i), "seconds": s, **more.get(f"cell{i}", {})} for i, s in enumerate(seconds)
    ]


def test_every_cell_gives_one_result_and_the_quick_ones_do_not_wait(cells):
    found = [cell["name"] for cell, _ in run_cells(cell_that_sleeps(), cells(3.0, 0.1, 0.1), at_a_time=2, cpus=0.5)]
    assert sorted(found) == ["0", "1", "2"]
    assert found[-1] == "0"


def test_no_more_cells_run_than_asked(cells):
    found = [result["beside"] for _, result in run_cells(cell_that_sleeps(), cells(0.2, 0.2, 0.2), at_a_time=1, cpus=0.5)]
    assert found == [1, 1, 1]


def test_bad_input_in_a_cell_comes_out_as_it_was_after_the_running_cells(cells):
    given = cells(0.0, 2.0, 0.0, cell0={"error": InputError("fold 3 has no test people")})
    results = run_cells(cell_that_sleeps(), given, at_a_time=2, cpus=0.5)
    assert next(results)[0]["name"] == "1"
    with pytest.raises(InputError, match=r"^fold 3 has no test people$"):
        next(results)  # the third was never started


def test_a_fault_in_a_cell_keeps_its_type(cells):
    with pytest.raises(ZeroDivisionError):
        list(run_cells(cell_that_sleeps(), cells(0.0, cell0={"error": ZeroDivisionError("x")}), at_a_time=1, cpus=0.5))
