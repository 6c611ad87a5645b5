"""`m3n finetune --sketches`: clips of a study's own labels, made once."""

from __future__ import annotations

import json

import pytest

from m3n import schema
from m3n.cli import main
from m3n.commands.sketched_clips import PLAN, STUB
from m3n.data import text
from m3n.io import tables
from m3n.motion.sketch_file import read_sketches

SMALL = [
    "windows.window_s=1",
    "windows.hop_s=1",
    "epochs=1",
    "min_steps=1",
    "model.width=16",
    "model.depth=1",
    "test_subjects=[c]",
]


@pytest.fixture
def study(tmp_path, recording):
    """Six recordings of a left wrist at 40 Hz: people sit down or rest, and label it in their own way."""
    rows = [
        recording(f"{who}{label}", rate_hz=40.0, worn="left_wrist", subject=who, label=label)
        for who in "abc"
        for label in ("SITTING_DOWN", "SEATED", "class 3")
    ]
    (tmp_path / "recordings").mkdir()
    tables.write_table(tmp_path / "recordings", rows, schema.imu_recordings(), rows_per_shard=8)
    return tmp_path / "recordings"


def clips_of(out):
    folder = out.with_name(f"{out.name}.sketches") / "synthetic"
    columns = schema.synthetic_clips(("left_wrist",))
    return folder, [row for shard in tables.shard_paths(folder) for row in tables.rows(tables.read_shard(shard, columns))]


def test_clips_carry_the_labels_of_the_study_also_in_time_and_are_made_once(study, tmp_path, caplog):
    out, match = tmp_path / "out", tmp_path / "labels.yaml"
    match.write_text("class 3: null\n", encoding="utf-8")
    given = [
        "finetune",
        str(study),
        "--sketches",
        "auto",
        "--out",
        str(out),
        "sketch_clips=6",
        f"match={match}",
        "start=co_trained",
        *SMALL,
    ]
    assert main(given) == 0
    assert "SEATED" in caplog.text
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["method"] == "co_trained"
    assert figures["rehearsed_windows"] > 0
    folder, rows = clips_of(out)
    assert {row["label"] for row in rows} == {"SITTING_DOWN", "SEATED"}
    assert {float(row["rate_hz"]) for row in rows} == {40.0}
    assert all(row["clip_id"].startswith("study-") for row in rows)  # `m3n ingest sketch` numbers its clips in the same way
    for row in rows:
        parts = [part["label"] for part in row["segments"] or ()]
        assert parts == ([] if row["label"] == "SEATED" else ["SITTING_DOWN", "SEATED"])  # standing is no label of this study
    made = (folder / tables.MANIFEST).stat().st_mtime_ns
    assert main([*given, "lr=0.002"]) == 0
    assert (folder / tables.MANIFEST).stat().st_mtime_ns == made
    plan = json.loads((folder.parent / PLAN).read_text())
    assert plan["authored"]["labels"] == {"SEATED": ["sit"], "SITTING_DOWN": ["sit down"], "class 3": []}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--sketches", "auto", "match=labels.yaml"],
            "match gives 'SEATED' the sketch 'sitt', which does not exist, did you mean 'sit'?",
        ),
        (["match=labels.yaml"], "give --sketches too"),
        (["--sketches", "auto", "match=none.yaml"], "cannot read match=none.yaml"),
        (["--sketches", "auto", "--clips", "anywhere"], "leave one of them out"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_made(study, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.yaml").write_text("SEATED: sitt\n", encoding="utf-8")
    assert main(["finetune", str(study), "--out", "out", *arguments, *SMALL]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_a_text_model_names_decide_and_the_stub_of_what_they_miss_is_a_sketch(
    study, tmp_path, monkeypatch, capsys, caplog
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(text.PACKAGED, "all-MiniLM-L6-v2", "no_such_package_of_models")
    (tmp_path / "labels.yaml").write_text("SEATED: null\nSITTING_DOWN: null\n", encoding="utf-8")
    assert main(["finetune", str(study), "--sketches", "auto", "--out", "out", "match=labels.yaml", *SMALL]) == 2
    assert "no label of the recordings is matched to a sketch" in capsys.readouterr().err
    assert "matched by name only" in caplog.text
    assert list(read_sketches(tmp_path / "out.sketches" / STUB)) == ["class 3"]
