"""`m3n report mounting`: what it leaves, what it says, and which mistakes it names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n import schema
from m3n.cli import main
from m3n.commands.mounting import as_plain, report_text, summary
from m3n.imu.mounting import Mounting
from m3n.io import tables


def row(name: str, subject: str, placement: str, samples: np.ndarray, rate_hz: float = 50.0) -> dict[str, object]:
    return {
        "recording_id": name, "source": "test", "subject": subject, "rate_hz": rate_hz, "n_samples": len(samples),
        schema.imu_column(placement): samples.astype(np.float32),
    }  # fmt: skip


def table(folder: Path, rows: list[dict[str, object]]) -> Path:
    folder.mkdir()
    tables.write_table(folder, rows, schema.imu_recordings(), 2)
    return folder


def moving(seconds: float = 60.0, seed: int = 0) -> np.ndarray:
    """Samples of no particular movement, with gravity."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * 50)) / 50
    rate = np.stack([np.sin(2 * np.pi * f * time + p) for f, p in rng.uniform([0.3, 0], [1.5, 6], (3, 2))], axis=1)
    return np.concatenate([[0, 0, schema.GRAVITY] + 0.5 * rate[:, ::-1], rate], axis=1)


def test_every_person_and_placement_gets_an_answer_in_the_agreed_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = moving()
    without[:, 3:] = np.nan
    recordings = table(
        tmp_path / "recordings",
        [
            row("a", "anna", "right_wrist", moving()),
            row("b", "anna", "right_wrist", moving(seed=1)),
            row("c", "ben", "right_wrist", without),
            row("d", "carl", "right_wrist", moving(5.0)),
            row("e", "dora", "right_wrist", moving(), rate_hz=10.0),
            row("f", "anna", "left_ankle", moving()),
        ],
    )
    out, file = tmp_path / "report", tmp_path / "mounting.json"
    assert main(["report", "mounting", str(recordings), "--out", str(out), "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert json.loads((out / "mounting.json").read_text()) == found
    assert {p: sorted(people) for p, people in found.items()} == {
        "right_wrist": ["anna", "ben", "carl", "dora"], "left_ankle": ["anna"]
    }  # fmt: skip
    for people in found.values():
        for answer in people.values():
            assert sorted(answer) == ["confidence", "rotation", "verdict"]
            assert answer["verdict"] in ("aligned", "turned", "unsure")
            assert 0 <= answer["confidence"] <= 1
            rotation = np.array(answer["rotation"])
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-4)
            assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-4)
    for name in ("ben", "carl", "dora"):
        assert found["right_wrist"][name]["verdict"] == "unsure"
    text = (out / "mounting.md").read_text()
    for part in ("no gyroscope", "under half a minute", "sampled at 10 Hz", "only wrists"):
        assert part in text
    assert (out / "mounting.png").stat().st_size > 10_000
    assert "right_wrist: 4 people" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "part"),
    [(["placements=[left_wrist]"], "no samples of left_wrist"), (["placements=[left_wrsit]"], "left_wrist")],
)
def test_a_placement_that_nobody_wore_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], part: str
) -> None:
    recordings = table(tmp_path / "recordings", [row("a", "anna", "right_wrist", moving(5.0))])
    assert main(["report", "mounting", str(recordings), "--out", str(tmp_path / "out"), *overrides]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


TURNED = Mounting(Rotation.from_euler("z", 180, degrees=True).as_matrix(), 0.97, "turned", "", 0.93, 42.0)
ALIGNED = Mounting(np.eye(3), 0.99, "aligned")
UNSURE = Mounting(np.eye(3), 0.4, "unsure", "several rotations fit these recordings")


def test_the_summary_names_who_differs_how_strongly_and_what_to_type_next(tmp_path: Path) -> None:
    lines = "\n".join(summary({"right_wrist": {"anna": ALIGNED, "ben": TURNED, "carl": UNSURE}}, tmp_path))
    assert "1 aligned, 1 turned, 1 unsure" in lines
    assert "axes.right_wrist=[-x,-y,z]" in lines
    assert "ben seems to wear it differently from the others: 42 times likelier" in lines
    assert f"axes_from={tmp_path / 'mounting.json'}" in lines
    assert "axes_from" not in "\n".join(summary({"right_wrist": {"anna": ALIGNED}}, tmp_path))


def test_the_page_has_a_row_for_everybody() -> None:
    text = report_text({"right_wrist": {"anna": ALIGNED, "ben": TURNED}})
    assert "| anna | aligned | 0.99 | 0° | [x,y,z] (0° off) |" in text
    assert "| ben | turned | 0.97 | 180° | [-x,-y,z] (0° off) |" in text
    assert as_plain({"right_wrist": {"anna": ALIGNED}}) == {
        "right_wrist": {"anna": {"rotation": np.eye(3).tolist(), "confidence": 0.99, "verdict": "aligned"}}
    }
