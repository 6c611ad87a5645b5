"""`m3n simulate` among faults: whatever breaks, nothing is half-written, nothing finished is lost, and the run that comes after
ends with the bytes of one that was never disturbed. The faults are real: signals, damaged files, a full disk, an S3 server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from processes import below, wait
from throttling import DROPPED

from m3n import schema
from m3n.cli import main
from m3n.io import storage, tables

SHARDS, CLIPS = 12, 4  # a shard takes a fifth of a second and 0.6 MB, so that there is a middle of the run to be hit in
SLOW = ["placements=[left_wrist,right_wrist,head,pelvis,left_thigh,right_thigh,left_ankle,right_ankle]", "rate_hz=200"]
SLOW += ["sensor=bmi160"]
PATIENCE_S = 600  # a process that starts Ray has taken minutes on a machine with other work to do


def contents(folder: storage.Location) -> dict[str, bytes]:
    """Every file in a folder and its quarantine."""
    files = [*storage.files(folder), *storage.files(folder / tables.QUARANTINE)]
    return {str(file).removeprefix(f"{folder}/"): storage.read(file) for file in files}


def save(folder: Path, rows: list[dict[str, Any]], rows_per_shard: int) -> Path:
    folder.mkdir(parents=True)
    tables.write_table(folder, rows, schema.POSE_CLIPS, rows_per_shard)
    return folder


def simulate(poses: Any, out: Any, *settings: str) -> int:
    """In this process, unless `settings` name workers, which change no byte."""
    return main(["simulate", str(poses), "--out", str(out), *settings])


def figures_of(poses: Any, out: Any, folder: Path, *settings: str) -> dict[str, Any]:
    assert simulate(poses, out, "--json", str(folder / "figures.json"), *settings) == 0
    return json.loads((folder / "figures.json").read_text())


@pytest.fixture(scope="module")
def poses(tmp_path_factory, pose_clip) -> Path:
    rows = [pose_clip(f"clip-{i}", frames=300) for i in range(SHARDS * CLIPS)]
    return save(tmp_path_factory.mktemp("faults") / "poses", rows, CLIPS)


@pytest.fixture(scope="module")
def undisturbed(poses) -> dict[str, bytes]:
    out = poses.parent / "undisturbed"
    assert simulate(poses, out, *SLOW) == 0
    found = contents(out)
    assert len(found) == SHARDS + 1
    return found


@pytest.fixture
def one_line(capfd) -> Callable[..., str]:
    """one_line(poses, out, *settings): the command ends with 2, and this is what it says."""

    def run(poses: Any, out: Any, *settings: str) -> str:
        capfd.readouterr()
        assert simulate(poses, out, *settings) == 2
        stderr = capfd.readouterr().err
        assert len(stderr.splitlines()) == 1, stderr
        return stderr

    return run


@pytest.fixture
def background(poses) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """background(poses, out, *settings): `m3n simulate` in a process of its own, on a Ray of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: Any) -> subprocess.Popen[str]:
        poses, out, *settings = (str(argument) for argument in arguments)
        command = [Path(sys.executable).with_name("m3n"), "simulate", poses, "--out", out, *settings]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE_S)


def wait_for_shards(process: subprocess.Popen[str], staging: storage.Location, count: int) -> None:
    """Until a run has finished that many shards, and is still at work."""
    wait(lambda: len(storage.files(staging, ".parquet")) >= count, process, patience_s=PATIENCE_S)


def damage(shard: Path) -> None:
    """Zeros in the middle of the poses; all that is looked at before the work begins stays whole."""
    group = pq.ParquetFile(shard).metadata.row_group(0)
    chunks = [group.column(i) for i in range(group.num_columns)]
    poses = next(chunk for chunk in chunks if chunk.path_in_schema.startswith("poses"))
    middle = poses.data_page_offset + poses.total_compressed_size // 2
    content = bytearray(shard.read_bytes())
    content[middle - 100 : middle + 100] = bytes(200)
    shard.write_bytes(content)


# damaged input


@pytest.mark.parametrize("fault", [damage, lambda shard: os.truncate(shard, shard.stat().st_size // 2)], ids=["holes", "cut"])
def test_a_damaged_shard_is_named_and_once_it_is_replaced_nothing_is_missing(poses, undisturbed, one_line, tmp_path, fault):
    given, out = shutil.copytree(poses, tmp_path / "poses"), tmp_path / "out"
    shutil.copytree(poses.parent / "undisturbed", tmp_path / "out.partial")  # of an interrupted run: two finished shards
    for stale in [f for f in storage.files(tmp_path / "out.partial") if f.name > "part-00001.parquet" or f.suffix == ".json"]:
        stale.unlink()
    fault(given / "part-00008.parquet")
    assert "part-00008.parquet cannot be read as Parquet" in one_line(given, out, *SLOW)
    assert not out.exists()
    kept = contents(tmp_path / "out.partial")
    kept = {
        name: held for name, held in kept.items() if not name.endswith(storage.TEMPORARY)
    }  # another worker was still writing
    assert {"part-00000.parquet", "part-00001.parquet"} <= set(kept)
    assert {name: undisturbed[name] for name in kept} == kept
    shutil.copy(poses / "part-00008.parquet", given)
    figures = figures_of(given, out, tmp_path, *SLOW)
    assert contents(out) == undisturbed
    assert figures["shards_found_finished"] >= 2
    assert figures["shards"] == SHARDS
    made = SHARDS - figures["shards_found_finished"]
    assert figures["frames_per_s"] * figures["elapsed_s"] == pytest.approx(made * CLIPS * 300)  # those of this run alone
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures.json", "out", "poses"]


def test_one_damaged_row_in_a_hundred_is_left_out_and_comes_back_mended(pose_clip, tmp_path):
    rows = [pose_clip(f"clip-{i}", frames=30) for i in range(100)]
    bad = save(tmp_path / "bad" / "poses", [*rows[:41], rows[41] | {"fps": 0.0}, *rows[42:]], 20)
    good = save(tmp_path / "good" / "poses", rows, 20)
    assert simulate(good, tmp_path / "undisturbed") == 0
    assert figures_of(bad, tmp_path / "out", tmp_path)["clips"] == 99
    reasons = pq.ParquetFile(tmp_path / "out" / "quarantine" / "rejected.parquet").read().to_pylist()
    assert reasons == [
        {"item": "part-00002.parquet row 1 (clip 'clip-41')", "reason": "fps is 0.0, expected a frame rate from 1 to 10,000 Hz"}
    ]
    assert simulate(good, tmp_path / "out") == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_a_clip_that_stands_in_two_shards_is_taken_from_the_first_whoever_is_faster(ray_cluster, pose_clip, tmp_path):
    rows = [pose_clip(f"clip-{i}", frames=30) for i in range(60)]
    again = save(tmp_path / "again" / "poses", [*rows[:45], rows[3] | {"text": "another"}, *rows[46:]], 5)
    for workers in (1, "auto"):
        assert simulate(again, tmp_path / f"out{workers}", f"workers={workers}") == 0
    assert contents(tmp_path / "out1") == contents(tmp_path / "outauto")
    reasons = json.loads((tmp_path / "out1" / "manifest.json").read_text())["quarantined"]
    assert reasons == [
        {
            "item": "part-00009.parquet row 0 (clip 'clip-3')",
            "reason": "duplicate clip_id 'clip-3': part-00000.parquet holds it too",
        }
    ]
    mended = save(tmp_path / "mended" / "poses", rows, 5)
    shutil.copytree(tmp_path / "out1", tmp_path / "out.partial")
    assert figures_of(mended, tmp_path / "out", tmp_path)["shards_found_finished"] == 11  # quarantine and all
    assert simulate(mended, tmp_path / "undisturbed") == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


# processes that are killed


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_no_byte(poses, undisturbed, background, tmp_path):
    process = background(poses, tmp_path / "out", "workers=2", *SLOW)
    wait_for_shards(process, tmp_path / "out.partial", 2)
    workers = [pid for pid, command in below(process.pid).items() if "ItemWorker" in command]
    os.kill(workers[0], signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    stderr = process.communicate(timeout=PATIENCE_S)[1]
    if process.returncode != 0:  # Ray gave up: then what is finished is taken over
        assert simulate(poses, tmp_path / "out", *SLOW) == 0
    assert contents(tmp_path / "out") == undisturbed, stderr
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("where", ["disk", pytest.param("store", marks=pytest.mark.slow)])
def test_a_killed_job_holds_its_output_no_longer_and_the_next_one_goes_on(
    request, poses, undisturbed, background, one_line, tmp_path, where
):
    """While it lives, a second job is told who it is and touches nothing."""
    out = tmp_path / "out" if where == "disk" else storage.location(f"{request.getfixturevalue('bucket')}/out")
    staging = out.with_name("out.partial")
    process = background(poses, out, "workers=1", *SLOW)
    wait_for_shards(process, staging, 2)
    refused = one_line(poses, out, *SLOW)
    assert re.search(rf"another job is writing .*out: process {process.pid} on {os.uname().nodename}, since 20\d\d-", refused)
    assert process.poll() is None
    process.kill()
    process.wait()
    found = contents(staging)
    assert not out.exists()
    assert {name: undisturbed[name] for name in found if name.endswith(".parquet")} == {
        name: content for name, content in found.items() if name.endswith(".parquet")
    }
    figures = figures_of(poses, out, tmp_path, *SLOW)
    assert 2 <= figures["shards_found_finished"] < SHARDS
    assert contents(out) == undisturbed
    assert not staging.exists()
    assert not out.with_name("out.partial.lock").exists()


# a full disk


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 2 MB, which holds three shards."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "m3n", folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_one_line_and_with_more_room_the_next_run_goes_on(poses, undisturbed, one_line, small_disk, tmp_path):
    out = small_disk / "out"
    stderr = one_line(poses, out, *SLOW)
    assert re.search(r"cannot write .*/out\.partial/part-000\d\d\.parquet: No space left on device; make room there", stderr)
    assert "finished shards are kept" in stderr
    assert not out.exists()
    kept = contents(small_disk / "out.partial")
    assert 1 <= len(kept) <= 3
    assert {name: undisturbed[name] for name in kept} == kept
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert figures_of(poses, out, tmp_path, *SLOW)["shards_found_finished"] >= len(kept)
    assert contents(out) == undisturbed
    assert [p.name for p in small_disk.iterdir()] == ["out"]


# object stores


def test_what_is_simulated_from_store_to_store_is_what_is_simulated_on_disk(poses, undisturbed, bucket, one_line):
    given, out = storage.location(f"{bucket}/poses"), storage.location(f"{bucket}/out")
    for shard in tables.shard_paths(poses):
        storage.write(given / shard.name, shard.read_bytes())
    assert simulate(given, out, *SLOW) == 0
    assert contents(out) == undisturbed
    assert simulate(given, out, *SLOW, "seed=1") == 0  # in the place of the first
    assert contents(out).keys() == undisturbed.keys()
    assert json.loads(contents(out)["manifest.json"])["seed"] == 1
    storage.write(given / "part-00003.parquet", b"PAR1, said the file")
    assert f"{given}/part-00003.parquet cannot be read as Parquet" in one_line(given, f"{bucket}/out2")
    assert not storage.location(f"{bucket}/out2").exists()
    assert json.loads(contents(out)["manifest.json"])["seed"] == 1


@pytest.mark.slow
def test_a_store_that_throttles_and_a_worker_that_is_killed_change_no_byte(poses, undisturbed, background, bucket, throttled):
    given, out = storage.location(f"{bucket}/poses"), storage.location(f"{bucket}/out")
    for shard in tables.shard_paths(poses):
        storage.write(given / shard.name, shard.read_bytes())
    process = background(given, out, "workers=2", *SLOW)
    wait_for_shards(process, out.with_name("out.partial"), 2)
    os.kill(next(pid for pid, command in below(process.pid).items() if "ItemWorker" in command), signal.SIGKILL)
    stderr = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, stderr
    assert contents(out) == undisturbed
    assert next(throttled.number) > 10 * DROPPED


@pytest.mark.slow
def test_a_store_that_goes_away_is_one_line_and_when_it_is_back_the_next_run_goes_on(
    poses, undisturbed, background, bucket, throttled, tmp_path
):
    out = storage.location(f"{bucket}/out")
    process = background(poses, out, "workers=1", *SLOW)
    wait_for_shards(process, out.with_name("out.partial"), 2)
    throttled.away = True
    stderr = process.communicate(timeout=PATIENCE_S)[1]
    throttled.away = False
    assert process.returncode == 2, stderr
    (line,) = (line for line in stderr.splitlines() if line.startswith("m3n: "))
    assert re.search(r"s3://.*(SLOW_DOWN|SlowDown|503).*check the bucket", line), line
    kept = contents(out.with_name("out.partial"))
    assert {name: undisturbed[name] for name in kept} == kept
    assert figures_of(poses, out, tmp_path, *SLOW)["shards_found_finished"] >= 2
    assert contents(out) == undisturbed


def test_recordings_on_a_store_are_trained_on_like_those_on_disk(recording, bucket, tmp_path):
    rows = [recording(f"{s}-{a}", subject=s, label=a) for s in ("s1", "s2", "s3") for a in ("wave", "shake")]
    scores = []
    (tmp_path / "recordings").mkdir()
    for place in (tmp_path / "recordings", storage.location(bucket)):
        tables.write_table(place, rows, schema.imu_recordings(), 3)
        settings = ["folds=3", "epochs=1", "min_steps=3", "model.width=16", "--json", str(tmp_path / "figures.json")]
        assert main(["finetune", str(place), "--out", str(tmp_path / "out"), *settings]) == 0
        scores.append(json.loads((tmp_path / "figures.json").read_text())["test_macro_f1"])
    assert scores[0] == scores[1]


def test_a_bucket_or_a_key_that_is_not_there_is_one_line(poses, bucket, one_line):
    assert "s3://no-such-bucket/out.partial.lock" in (line := one_line(poses, "s3://no-such-bucket/out"))
    assert "bucket does not exist" in line
    assert "s3://no-such-bucket/poses does not exist" in one_line("s3://no-such-bucket/poses", f"{bucket}/out")


def test_credentials_that_are_refused_are_one_line(poses, bucket, s3_endpoint, one_line):
    def check_credentials(after: str) -> None:
        plain = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{s3_endpoint}/moto-api/reset-auth", data=after.encode(), headers=plain)
        urllib.request.urlopen(request).close()

    check_credentials("0")
    try:
        for given, out in ((poses, f"{bucket}/out"), (f"{bucket}/poses", poses.parent / "out")):
            line = one_line(given, out)
            assert re.search(r"s3://.*(ACCESS_DENIED|INVALID_ACCESS_KEY_ID|Forbidden|403).*credentials", line), line
    finally:
        check_credentials("inf")
