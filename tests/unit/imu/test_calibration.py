"""Calibration towards unlabelled real recordings: distributions match, order stays, and held-out subjects have no say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from m3n import schema
from m3n.cli import main
from m3n.cluster.simulate import ShardSimulator
from m3n.commands.simulate.calibration import calibrate
from m3n.commands.simulate.command import simulation_settings
from m3n.config import CalibrateConfig, SimulateConfig, resolve
from m3n.errors import InputError
from m3n.imu.calibration import Calibration, ChannelMap, Draw, SampleDraw, fit_calibration
from m3n.io import tables
from m3n.schema import GRAVITY

UP = np.array([0.3, 0.5, 0.8]) * GRAVITY


def simulated(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.concatenate([UP + rng.normal(0, [2, 1, 3], (n, 3)), rng.normal(0, 1.5, (n, 3))], axis=1)


def real(rng: np.random.Generator, n: int) -> np.ndarray:
    """Another distribution of the same units: heavier tails, skewed, other spreads, a biased gyroscope."""
    force = UP * [1.1, 0.9, 1.0] + 1.5 * rng.standard_t(5, (n, 3)) + 0.8 * rng.gamma(2.0, 1.0, (n, 3))
    return np.concatenate([force, 0.2 + rng.laplace(0, 2.5, (n, 3))], axis=1)


def drawn(*sequences: np.ndarray, size: int = 50_000) -> SampleDraw:
    draw = SampleDraw(size)
    for number, samples in enumerate(sequences):
        draw.add(samples, 0, f"sequence {number}")
    return draw


def test_every_channel_has_the_real_distribution_on_samples_that_were_not_fitted():
    rng = np.random.default_rng(0)
    fitted = fit_calibration({"left_wrist": drawn(simulated(rng, 50_000))}, {"left_wrist": drawn(real(rng, 50_000))}, 1001, "")
    held_out, target = simulated(rng, 20_000), real(rng, 20_000)
    mapped = fitted.apply("left_wrist", held_out.astype(np.float32))
    assert mapped.dtype == np.float32
    for channel in range(6):
        before = wasserstein_distance(held_out[:, channel], target[:, channel])
        assert wasserstein_distance(mapped[:, channel], target[:, channel]) < before / 5
        order = np.argsort(held_out[:, channel])
        assert np.all(np.diff(mapped[order, channel]) >= 0)


def test_a_linear_difference_is_undone_inside_and_beyond_what_was_seen():
    x = np.linspace(-1, 1, 5001)
    to_real = ChannelMap.fit(x, 3 * x + 0.5, 1001)
    wide = np.linspace(-4, 4, 101)
    np.testing.assert_allclose(to_real(wide), 3 * wide + 0.5, atol=1e-9)


def test_a_channel_that_never_varied_is_shifted_and_one_that_sticks_keeps_its_order():
    constant = ChannelMap.fit(np.full(2000, 2.0), np.linspace(4, 6, 2000), 1001)
    np.testing.assert_allclose(constant(np.array([1.0, 2.0, 3.0])), [4.0, 5.0, 6.0], atol=1e-9)
    clipped = ChannelMap.fit(np.clip(np.linspace(-2, 2, 9000), -1, 1), np.linspace(0, 8, 9000), 1001)
    mapped = clipped(np.linspace(-1.5, 1.5, 301))
    assert np.all(np.diff(mapped) >= 0)
    # a quarter of the ranks is at either end: their mean real value is 1 and 7
    np.testing.assert_allclose(clipped(np.array([-1.0, 1.0])), [1.0, 7.0], atol=0.02)


def test_a_draw_is_uniform_bounded_and_knows_no_order():
    sequences = {f"s{i}": np.arange(3000.0)[:, None] + 3000 * i for i in range(10)}
    values = []
    for names in (list(sequences), list(reversed(sequences))):
        draw = Draw(1000, 1)
        for name in names:
            draw.add(sequences[name], 7, name)
        values.append(draw.values)
    assert values[0].shape == (1000, 1)
    np.testing.assert_array_equal(values[0], values[1])
    assert len(np.unique(values[0])) == 1000
    # the mean of 1,000 of 0..29,999 has the standard deviation 8660 / √1000 = 274
    assert abs(values[0].mean() - 14_999.5) < 4 * 274


def test_maps_survive_json_to_the_bit():
    rng = np.random.default_rng(1)
    fitted = fit_calibration({"head": drawn(simulated(rng, 5000))}, {"head": drawn(real(rng, 5000))}, 101, "")
    again = Calibration.from_plain(json.loads(json.dumps(fitted.as_plain())))
    samples = simulated(rng, 500).astype(np.float32)
    assert again.apply("head", samples).tobytes() == fitted.apply("head", samples).tobytes()
    assert np.array_equal(fitted.apply("pelvis", samples), samples)  # never calibrated


def test_without_a_real_gyroscope_the_angular_rate_stays_as_simulated():
    rng = np.random.default_rng(2)
    silent = real(rng, 5000)
    silent[:, 3:] = np.nan
    fitted = fit_calibration({"head": drawn(simulated(rng, 5000))}, {"head": drawn(silent)}, 101, "")
    samples = simulated(rng, 500).astype(np.float32)
    mapped = fitted.apply("head", samples)
    assert np.array_equal(mapped[:, 3:], samples[:, 3:])
    assert not np.array_equal(mapped[:, :3], samples[:, :3])
    # one recording with a gyroscope is enough, and those without do not dilute it
    fitted = fit_calibration({"head": drawn(simulated(rng, 5000))}, {"head": drawn(silent, real(rng, 5000))}, 101, "")
    assert np.isfinite(fitted.apply("head", samples)).all()
    assert set(fitted.maps["head"]) == set(schema.CHANNELS)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda x: x / np.array([GRAVITY] * 3 + [1] * 3), ("as if in g", "m/s²")),
        (lambda x: x * np.array([1000 / GRAVITY] * 3 + [1] * 3), ("as if in mg",)),
        (lambda x: x * np.array([1] * 3 + [180 / np.pi] * 3), ("as if in deg/s", "rad/s")),
        (lambda x: x[:50], ("50 real samples of head, expected at least 101",)),
    ],
    ids=["g", "mg", "deg/s", "few"],
)
def test_units_that_cannot_be_right_and_too_few_samples_are_named(change, parts):
    rng = np.random.default_rng(3)
    with pytest.raises(InputError) as caught:
        fit_calibration({"head": drawn(simulated(rng, 500))}, {"head": drawn(change(real(rng, 500)))}, 101, "table")
    assert all(part in str(caught.value) for part in parts), str(caught.value)


# the stage


@pytest.fixture
def tables_of(tmp_path: Path, pose_clip, recording):
    """poses: six clips in two shards; recordings of subjects s1 to s4, `changes` to those of s4, in shards of `per_shard`."""

    def make(name: str, per_shard: int = 3, **changes: Any) -> tuple[Path, Path]:
        rng = np.random.default_rng(4)
        folder = tmp_path / name
        (folder / "poses").mkdir(parents=True)
        clips = [pose_clip(f"clip {i}", frames=200 + i) for i in range(6)]
        tables.write_table(folder / "poses", clips, schema.POSE_CLIPS, rows_per_shard=3)
        rows = []
        for subject in ("s1", "s2", "s3", "s4"):
            for number in range(2):
                imu = real(rng, 2000).astype(np.float32)
                row = recording(f"{subject} {number}", seconds=40.0, subject=subject, imu_right_wrist=imu)
                rows.append(row | changes if subject == "s4" else row)
        (folder / "recordings").mkdir()
        tables.write_table(folder / "recordings", rows, schema.imu_recordings(), rows_per_shard=per_shard)
        return folder / "poses", folder / "recordings"

    return make


SETTINGS = [
    "placements=[right_wrist,left_wrist]",
    "calibrate.placements=[right_wrist]",
    "calibrate.quantiles=201",
    "rate_hz=50",
]


def fitted(poses: Path, recordings: Path, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    config = CalibrateConfig(recordings=str(recordings), quantiles=201, **({"exclude_subjects": ["s4"]} | changes))
    simulator = ShardSimulator("", simulation_settings(SimulateConfig(rate_hz=50)))
    placements = list(config.placements or ["right_wrist"])
    found, facts = calibrate(tables.shard_paths(poses), lambda row: simulator.clip(row)[1], placements, config, seed=0)
    return found.as_plain(), facts


def test_excluded_subjects_labels_and_sharding_have_no_say(tables_of):
    first = fitted(*tables_of("first"))
    assert first[1]["subjects"] == ["s1", "s2", "s3"]
    assert first[1]["recordings"] == 6
    assert first[1]["clips"] == 6
    wild = tables_of("wild", per_shard=5, imu_right_wrist=np.full((2000, 6), np.nan, np.float32), label="other", rate_hz=-1.0)
    assert fitted(*wild) == first
    assert fitted(*wild, exclude_subjects=None, subjects=["s3", "s1", "s2"]) == first
    other = fitted(*tables_of("other"), exclude_subjects=["s3", "s4"])
    assert other[0] != first[0]
    with pytest.raises(InputError, match="recording 's4 0'"):
        fitted(*wild, exclude_subjects=[])


def test_a_draw_of_clips_depends_on_their_ids_alone(tables_of):
    poses, recordings = tables_of("few")
    some = fitted(poses, recordings, clips=2)
    every = list(tables.rows(tables.read_shard(poses / "part-00001.parquet", schema.POSE_CLIPS)))
    every += tables.rows(tables.read_shard(poses / "part-00000.parquet", schema.POSE_CLIPS))
    (poses.parent / "again").mkdir()
    tables.write_table(poses.parent / "again", every, schema.POSE_CLIPS, rows_per_shard=2)
    assert some[1]["clips"] == 2
    assert fitted(poses.parent / "again", recordings, clips=2) == some


def test_what_the_recordings_do_not_have_is_named(tables_of):
    poses, recordings = tables_of("lacking")
    with pytest.raises(InputError, match=r"placement 'head' \(available: right_wrist\).*calibrate.placements"):
        fitted(poses, recordings, placements=["head"])
    with pytest.raises(InputError, match="no subject 's5'"):
        fitted(poses, recordings, exclude_subjects=["s5"])
    with pytest.raises(InputError, match="no subject is left"):
        fitted(poses, recordings, exclude_subjects=["s1", "s2", "s3", "s4"])
    with pytest.raises(InputError, match="held-out subjects"):
        resolve(SimulateConfig, "simulate", None, ["calibrate.recordings=x"])
    with pytest.raises(InputError, match="'head', which is not simulated"):
        resolve(SimulateConfig, "simulate", None, ["calibrate.placements=[head]"])


def test_a_calibrated_job_gives_the_same_bytes_here_and_on_workers_and_says_whom_it_used(tables_of, ray_cluster, tmp_path):
    poses, recordings = tables_of("first")
    choice = ["calibrate.exclude_subjects=[s4]", *SETTINGS]
    out = [tmp_path / name for name in ("two", "one")]
    assert main(["simulate", str(poses), "--out", str(out[0]), f"calibrate.recordings={recordings}", *choice, "workers=2"]) == 0
    tables.write_shard(recordings / "part-00002.parquet", changed(recordings / "part-00002.parquet"))  # s4's alone
    partial = tmp_path / "one.partial"  # an interrupted run has left one shard
    partial.mkdir()
    (partial / "part-00000.parquet").write_bytes((out[0] / "part-00000.parquet").read_bytes())
    kept = (partial / "part-00000.parquet").stat().st_ino
    assert main(["simulate", str(poses), "--out", str(out[1]), f"calibrate.recordings={recordings}", *choice]) == 0
    contents = [{p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} for folder in out]
    assert contents[0] == contents[1]
    assert (out[1] / "part-00000.parquet").stat().st_ino == kept
    manifest = json.loads(contents[0]["manifest.json"])
    assert manifest["calibration"]["subjects"] == ["s1", "s2", "s3"]
    assert manifest["calibration"]["channels"] == {"right_wrist": list(schema.CHANNELS)}
    maps = json.loads(contents[0]["calibration.json"])["maps"]

    simulator = ShardSimulator("", simulation_settings(resolve(SimulateConfig, "simulate", None, SETTINGS)))
    given = tables.read_shard(poses / "part-00000.parquet", schema.POSE_CLIPS)
    made = tables.read_shard(out[0] / "part-00000.parquet", schema.synthetic_clips(["right_wrist", "left_wrist"]))
    for clip, row in zip(tables.rows(given), tables.rows(made), strict=True):
        plain = simulator.clip(clip)[1]
        assert np.array_equal(row["imu_left_wrist"], plain["left_wrist"].reshape(-1))
        expected = Calibration.from_plain(maps).apply("right_wrist", plain["right_wrist"])
        assert np.array_equal(row["imu_right_wrist"], expected.reshape(-1))
        assert not np.array_equal(expected, plain["right_wrist"])


def changed(shard: Path) -> Any:
    rows = list(tables.rows(tables.read_shard(shard, schema.imu_recordings())))
    assert {row["subject"] for row in rows} == {"s4"}
    return tables.to_table([row | {"imu_right_wrist": np.zeros((2000, 6))} for row in rows], schema.imu_recordings())
