"""The example notebooks run from top to bottom with nothing but the package, and show what they promise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "examples").glob("*.ipynb"))
SECONDS = 600  # of one cell on a busy machine; both notebooks take under two minutes on a quiet one


def name(path: Path) -> str:
    return path.stem


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Any]:
    """The notebook with its outputs, run in an empty folder; an error in a cell fails the test with its traceback."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    done: dict[Path, Any] = {}

    def run(path: Path) -> Any:
        if path not in done:
            folder = tmp_path_factory.mktemp(path.stem)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
                book = nbformat.read(path, as_version=4)
                done[path] = nbclient.NotebookClient(
                    book, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}
                ).execute()
        return done[path]

    return run


def printed(book: Any) -> str:
    """All that its cells print."""
    return "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []))


def pictures(book: Any) -> int:
    return sum("image/png" in output.get("data", {}) for cell in book.cells for output in cell.get("outputs", []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


@pytest.mark.slow
def test_poses_of_ones_own_become_the_signals_of_the_true_motion(executed: Callable[[Path], Any]) -> None:
    book = executed(REPOSITORY / "examples" / "own_poses.ipynb")
    force, rate = map(float, re.findall(r"acceleration ([\d.]+), angular rate ([\d.]+)", printed(book))[0])
    assert force > 0.95  # 4 mm of jitter in 3-D joints
    assert rate > 0.8
    assert pictures(book) == 3


@pytest.mark.slow
def test_a_watch_csv_becomes_a_classifier_of_people_never_seen(executed: Callable[[Path], Any]) -> None:
    pytest.importorskip("seglearn")
    book = executed(REPOSITORY / "examples" / "own_watch.ipynb")
    text = printed(book)
    (macro_f1,) = re.findall(r"test_macro_f1: ([\d.]+)", text)
    assert float(macro_f1) > 0.8  # four exercises that differ, so chance is 0.25
    assert "test_recording_macro_f1" in text
    assert pictures(book) == 3
