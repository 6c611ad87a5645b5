"""Every row of docs/formats.md, on a small real file or one written as its maker writes it: the command as it stands."""

from __future__ import annotations

import json
import pickle
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import device_files
import numpy as np
import pytest
from fuzz import source_files as made
from fuzz.originals import ORIGINALS, npy

from m3n.commands.ingest import ingest, options_of
from m3n.config import resolve
from m3n.io import tables
from m3n.schema import POSE_CLIPS, imu_recordings
from m3n.sources.shared.pose_rows import TURN_UP

PAGE = Path(__file__).resolve().parents[3] / "docs" / "formats.md"
COMMANDS = re.findall(r"^\| .* \| `(m3n ingest .*)` \|$", PAGE.read_text(), re.MULTILINE)


def _humanml3d(here: Path) -> None:
    (here / "new_joints").mkdir()
    (here / "texts").mkdir()
    np.save(here / "new_joints" / "000021.npy", made.body_joints()[:, :22] @ TURN_UP["y"])
    (here / "texts" / "000021.txt").write_text("a man waves.#a/DET#0.0#0.0\n")


def _mdm(here: Path) -> None:
    motion = np.moveaxis(made.body_joints()[:, :22] @ TURN_UP["y"], 0, 2)[None]
    (here / "results.npy").write_bytes(npy({"motion": motion, "lengths": np.array([12]), "text": ["a man walks"]}))


def _mediapipe(here: Path) -> None:
    points = made.skeleton_joints("mediapipe33") @ TURN_UP["-y"]
    points -= points[:, [23, 24]].mean(1, keepdims=True)
    rows = [",".join(f"{value:.6f}" for point in row for value in (*point, 0.9)) for row in points]
    head = ",".join(f"{axis}{k}" for k in range(33) for axis in ("x", "y", "z", "v"))
    (here / "world_landmarks.csv").write_text("\n".join([head, *rows]) + "\n")


def _azure(here: Path) -> None:
    frames = [
        {"timestamp_usec": 33333 * k, "bodies": [{"body_id": 1, "joint_positions": row}]}
        for k, row in enumerate((1000 * made.skeleton_joints("azure32") @ TURN_UP["-y"]).tolist())
    ]
    (here / "azure.json").write_text(json.dumps({"frames": frames}))


def _amass(up: str) -> dict[str, Any]:
    poses = np.pad(made.standing_pose().reshape(12, 72)[:, :66], ((0, 0), (0, 99)))
    poses[:, :3] = (np.pi / 2, 0, 0) if up == "z" else 0
    trans = np.tile((0.0, 0.0, 1.0) if up == "z" else (0.0, 1.0, 0.0), (12, 1))
    return {"poses": poses, "trans": trans, "betas": np.zeros(300 if up == "y" else 16), "mocap_frame_rate": 30.0}


def _cmu(here: Path) -> None:
    (here / "cmu").mkdir()
    (here / "cmu" / "01.asf").write_text(made.asf_text())
    (here / "cmu" / "01_08.amc").write_text(made.amc_text())


def _original(name: str, file: str) -> Callable[[Path], None]:
    return lambda here: ORIGINALS[name].write(here / file, ORIGINALS[name].tree())


# the start of a command -> what writes its files, what its rows must say
FILES: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "recordings watch.csv --out data/watch acc": (
        _original("recordings", "watch.csv"), {"rate_hz": 50, "subject": "a", "segments": 2},
    ),
    "recordings study": (
        lambda here: device_files.sensor_logger_watch(here / "study" / "anna" / "monday"),
        {"rate_hz": 50, "subject": "anna", "session": "monday", "placement": "left_wrist"},
    ),
    "recordings phone": (
        lambda here: device_files.sensor_logger_phone(here / "phone"), {"rate_hz": 100, "placement": "right_thigh"},
    ),
    "recordings walk.csv --out data/walk device=sensorlog": (device_files.sensorlog, {"rate_hz": 50}),
    "recordings phyphox": (lambda here: device_files.phyphox(here / "phyphox"), {"rate_hz": 100}),
    "recordings walk.csv --out data/walk device=physics": (device_files.physics_toolbox, {"rate_hz": 100}),
    "recordings Sensor_record.csv": (device_files.androsensor, {"rate_hz": 50}),
    "recordings e4": (
        lambda here: device_files.empatica(here / "e4"), {"rate_hz": 32, "placement": "left_wrist", "gyro": False},
    ),
    "recordings watch.csv --out data/watch device=geneactiv": (
        device_files.geneactiv, {"rate_hz": 100, "gyro": False, "started": "2024-05-31T11:25:22+00:00"},
    ),
    "recordings RAW.csv": (device_files.actigraph, {"rate_hz": 30, "gyro": False}),
    "recordings cwa.csv": (device_files.axivity, {"rate_hz": 100}),
    "recordings left.csv": (device_files.dot, {"rate_hz": 60, "placement": "left_wrist"}),
    "recordings MT_0120.txt": (device_files.xsens, {"rate_hz": 100, "rows": 2}),
    "recordings metawear": (lambda here: device_files.metamotion(here / "metawear"), {"rate_hz": 50}),
    "recordings log.csv": (device_files.arduino, {"rate_hz": 100}),
    "pamap2": (_original("pamap2", "pamap2.zip"), {"rate_hz": 100, "rows": 2, "subject": "101", "segments": 1}),
    "wisdm_watch": (_original("wisdm_watch", "wisdm.zip"), {"rate_hz": 20, "rows": 2, "label": "walking"}),
    "dsads": (_original("dsads", "dsads.zip"), {"rate_hz": 25, "label": "walking_on_treadmill_flat"}),
    "wear": (_original("wear", "wear.zip"), {"rate_hz": 50, "gyro": False, "segments": 1}),
    "mhealth": (_original("mhealth", "mhealth.zip"), {"rate_hz": 50, "gyro": False, "segments": 1}),
    "opportunity": (_original("opportunity", "opportunity.zip"), {"rate_hz": 30, "segments": 2, "subject": "1"}),
    "hhar": (_original("hhar", "hhar.zip"), {"rate_hz": 200, "rows": 2, "subject": "a", "session": "lgwatch_1", "segments": 2}),
    "realworld": (
        _original("realworld", "realworld.zip"), {"rate_hz": 50, "rows": 3, "subject": "3", "label": "climbing_up"},
    ),
    "whar": (lambda here: made.write_whar(here / "pamap2"), {"rate_hz": 100, "rows": 2, "label": "ironing", "subject": "0"}),
    "windows": (_original("windows", "har.npz"), {"rate_hz": 50, "rows": 6, "label": "0", "subject": "3"}),
    "joints new_joints": (_humanml3d, {"fps": 20, "text": "a man waves."}),
    "joints results.npy": (_mdm, {"fps": 20, "text": "a man walks"}),
    "joints X3D.npy": (
        lambda here: np.save(here / "X3D.npy", made.skeleton_joints("h36m17") @ TURN_UP["-y"]), {"fps": 30},
    ),
    "joints world_landmarks.csv": (_mediapipe, {"fps": 30}),
    "joints azure.json": (_azure, {"fps": 30}),
    "joints S001": (
        lambda here: (here / "S001C001P002R001A023.skeleton").write_text(made.ntu_text()),
        {"fps": 30, "subject": "P002", "label": "A023"},
    ),
    "joints keypoints.npz": (lambda here: made.write_joints(here / "keypoints.npz"), {"fps": 30}),
    "trc": (lambda here: (here / "trial.trc").write_text(made.pose2sim_text()), {"fps": 60, "subject": "anna"}),
    "mvnx": (lambda here: (here / "suit.mvnx").write_text(made.mvnx_text()), {"fps": 60, "subject": "anna"}),
    "aistpp": (
        lambda here: (here / "gBR_sBM_cAll_d04_mBR0_ch01.pkl").write_bytes(pickle.dumps(made.aist_dance())),
        {"fps": 60, "subject": "d04", "label": "break"},
    ),
    "smpl_pickle": (
        lambda here: (here / "P0_00_data.pkl").write_bytes(pickle.dumps(made.emdb_sequence())), {"fps": 30, "subject": "P0"},
    ),
    "amass clip.npz": (lambda here: np.savez(here / "clip.npz", **_amass("z")), {"fps": 30}),
    "amass beat2.npz": (lambda here: np.savez(here / "beat2.npz", **_amass("y")), {"fps": 30}),
    "bvh": (lambda here: made.write_bvh(here / "walk.bvh", made.BENT), {"fps": 30}),
    "asf_amc": (_cmu, {"fps": 120, "subject": "01"}),
}  # fmt: skip


def test_every_row_of_the_page_has_its_files_here() -> None:
    starts = [[start for start in FILES if command.startswith(f"m3n ingest {start}")] for command in COMMANDS]
    assert all(len(found) == 1 for found in starts), [c for c, found in zip(COMMANDS, starts, strict=True) if len(found) != 1]
    assert {found[0] for found in starts} == set(FILES)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_of_a_row_reads_its_files(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write, expected = next(held for start, held in FILES.items() if command.startswith(f"m3n ingest {start}"))
    write(tmp_path)
    _, _, source, path, _, out, *settings = shlex.split(command)
    options = resolve(options_of(source), "ingest", None, settings)
    ingest(source, Path(path), Path(out), options)
    kind = "poses" if "fps" in expected else "recordings"
    columns = POSE_CLIPS if kind == "poses" else imu_recordings()
    rows = [
        row for shard in sorted(Path(out, kind).glob("*.parquet")) for row in tables.rows(tables.read_shard(shard, columns))
    ]
    assert len(rows) == expected.get("rows", 1)
    for key in ("fps", "rate_hz"):
        assert rows[0].get(key) == (pytest.approx(expected[key], rel=1e-3) if key in expected else rows[0].get(key))
    for key in ("subject", "session", "label", "text"):
        assert key not in expected or rows[0][key] == expected[key]
    assert "segments" not in expected or len(rows[0]["segments"]) == expected["segments"]
    assert "started" not in expected or rows[0]["started_at"].isoformat() == expected["started"]
    if kind == "recordings":  # m/s² and rad/s
        samples = np.reshape(rows[0][f"imu_{expected.get('placement', 'right_wrist')}"], (-1, 6))
        assert np.linalg.norm(samples[:, :3], axis=1).mean() == pytest.approx(9.8, abs=1.0)
        assert np.isfinite(samples[:, 3:]).all() == expected.get("gyro", True)
        assert not expected.get("gyro", True) or 0.05 < samples[:, 3:].std() < 5
