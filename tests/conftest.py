"""Small real things that the tests share: rows of every table, a corpus, a checkpoint, watch recordings, one local Ray cluster.

What takes seconds to make is made once per session, through the same commands that a user types; where two processes share the
tests, the corpus and the checkpoint are made by the one that asks first.
"""

from __future__ import annotations

import fcntl
import importlib.util
import logging
import os
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from throttling import Throttled

from m3n import schema
from m3n.cli import main
from m3n.randomness import generator

# Networks this small gain nothing from a second thread, and on a busy machine the threads wait for each other at every layer;
# alone, a thread also adds up in one order, so that bits can be compared.
os.environ["OMP_NUM_THREADS"] = "1"

TINY = ["model.width=16", "model.depth=1", "model.embedding=16"]
Row = dict[str, Any]


@pytest.fixture(scope="session", autouse=True)
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing of the machine's own: working folder, cache and MLflow store are the session's, and no model hub is asked."""
    folder = tmp_path_factory.mktemp("surroundings")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("M3N_CACHE", str(folder / "cache"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("RAY_worker_niceness", "0")  # Ray's 15 starves its workers where the machine has other work to do
        patch.setenv("M3N_PROGRESS_S", "1000000")  # tests count lines, however busy the machine is
        patch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
        patch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "600")  # its minute is short on a busy machine
        patch.setenv("AWS_ACCESS_KEY_ID", "for")  # the S3 server on loopback takes any
        patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("RAY_ADDRESS", "M3N_BODY_MODELS", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="session")
def ray_cluster(surroundings: Path) -> Iterator[None]:
    """One local Ray for the whole session, as the first command of a session would start it."""
    from m3n.cluster.start import connect

    connect(None, workers=2)
    yield
    import ray

    ray.shutdown()


@pytest.fixture(scope="session")
def blank_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an empty MLflow store, to be copied: making its tables takes seconds."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(scope="session")
def s3_endpoint(surroundings: Path) -> Iterator[str]:
    """A real S3 server on loopback that holds its objects in memory."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of a folder of this test's own, in a fresh bucket, with the endpoint in the surroundings."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    name = f"test-{uuid.uuid4().hex[:12]}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_endpoint}/{name}", method="PUT")).close()
    return f"s3://{name}/data"


@pytest.fixture
def throttled(s3_endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Throttled]:
    """The way to `bucket`, from now on: a proxy that throttles requests and drops some of them."""
    with Throttled(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy
        proxy.shutdown()


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that all processes of a test run share: the first one to ask for it calls `make`, and the others wait."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `poses` (24 choreographed clips in 3 shards) and `synthetic` (both wrists at 60 Hz)."""

    def make(folder: Path) -> None:
        assert main(["ingest", "choreography", "--out", str(folder), "clips=24", "rows_per_shard=8"]) == 0
        assert main(["simulate", str(folder / "poses"), "--out", str(folder / "synthetic")]) == 0

    return made_once(tmp_path_factory, "corpus", make)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A Multi3Net of width 16 after two epochs: windows of 2 s, both wrists.

    `store.txt` beside it names the MLflow store that has its run.
    """
    settings = ["workers=1", "optim.epochs=2", "optim.batch_size=32", "windows.hop_s=2", "seed=3", *TINY]

    def make(folder: Path) -> None:
        assert main(["pretrain", str(corpus / "synthetic"), "--out", str(folder / "pretrained"), *settings]) == 0
        (folder / "store.txt").write_text(os.environ["MLFLOW_TRACKING_URI"])

    return made_once(tmp_path_factory, "checkpoint", make) / "pretrained"


@pytest.fixture(scope="session")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seglearn recordings as a table: 10 subjects, seven exercises, either wrist."""
    if importlib.util.find_spec("seglearn") is None:
        pytest.skip("the package seglearn is not installed")
    folder = tmp_path_factory.mktemp("watch") / "watch"
    assert main(["ingest", "seglearn_watch", "--out", str(folder)]) == 0
    return folder / "recordings"


def _pose_clip(clip_id: str = "clip-0", frames: int = 120, fps: float = 30.0, **changes: Any) -> Row:
    """A standing person who bends and stretches the right elbow once a second, and walks along x at 0.5 m/s."""
    t = np.arange(frames) / fps
    poses = np.zeros((frames, 24, 3), np.float32)
    poses[:, 0] = Rotation.from_rotvec([np.pi / 2, 0, 0]).as_rotvec()
    poses[:, 19, 1] = 0.5 * np.sin(2 * np.pi * t)
    row: Row = {
        "clip_id": clip_id, "source": "test", "subject": "s1", "text": "a person bends an elbow", "label": "bend",
        "fps": fps, "body_model": "smpl", "gender": "neutral", "betas": np.zeros(10, np.float32), "n_frames": frames,
        "poses": poses, "trans": np.stack([0.5 * t, 0 * t, 0 * t], axis=1).astype(np.float32),
    }  # fmt: skip
    return row | changes


def _recording(
    recording_id: str = "rec-0", seconds: float = 4.0, rate_hz: float = 50.0, worn: str = "right_wrist", **changes: Any
) -> Row:
    """A wrist that turns to and fro about the forearm, 1 rad at 1 Hz ("wave") or 0.3 rad at 2 Hz (anything else)."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    swing, f = (1.0, 1.0) if changes.get("label", "wave") == "wave" else (0.3, 2.0)
    angle, speed = swing * np.sin(2 * np.pi * f * t), swing * 2 * np.pi * f * np.cos(2 * np.pi * f * t)
    imu = np.stack([0 * t, schema.GRAVITY * np.sin(angle), schema.GRAVITY * np.cos(angle), speed, 0 * t, 0 * t], axis=1)
    imu += 1e-3 * generator(0, recording_id, str(changes.get("subject"))).normal(size=imu.shape)  # no two people are alike
    row: Row = {
        "recording_id": recording_id, "source": "test", "subject": "s1", "session": None, "label": "wave", "segments": None,
        "rate_hz": rate_hz, "n_samples": len(t), schema.imu_column(worn): imu.astype(np.float32),
    }  # fmt: skip
    return row | changes


@pytest.fixture(scope="session")
def pose_clip() -> Callable[..., Row]:
    """pose_clip(clip_id, frames, fps, **columns) -> one row of `pose_clips`."""
    return _pose_clip


@pytest.fixture(scope="session")
def synthetic_clip() -> Callable[..., Row]:
    """synthetic_clip(clip_id, frames, fps, **columns) -> one row of `synthetic_clips`: both wrists, 60 Hz, simulated."""
    from m3n.imu.simulate import simulate_clip

    def make(*args: Any, **changes: Any) -> Row:
        row = _pose_clip(*args, **{k: v for k, v in changes.items() if not k.startswith("imu_")})
        samples = simulate_clip(row, placements=("left_wrist", "right_wrist"), rate_hz=60.0, low_pass=None, sensor=None, seed=0)
        columns = {schema.imu_column(p): values for p, values in samples.items()}
        return {**row, "rate_hz": 60.0, "n_samples": len(samples["left_wrist"]), **columns} | changes

    return make


@pytest.fixture(scope="session")
def recording() -> Callable[..., Row]:
    """recording(recording_id, seconds, rate_hz, worn, **columns) -> one row of `imu_recordings`."""
    return _recording


def _window_store(
    folder: Path, clips: int = 52, shards: int = 4, val_share: float = 20 / 52, recordings: Sequence[Row] = (), **options: Any
) -> Any:
    """Clips of noise, two windows each; sentences shared by some clips and missing in others, and so the labels. Recordings are a
    table of their own."""
    from m3n.config import WindowsConfig
    from m3n.data.corpora import Shard
    from m3n.data.window_store import cut_shard, write_index
    from m3n.io import tables

    rng, wrists, shape = (
        np.random.default_rng(0),
        ("left_wrist", "right_wrist"),
        WindowsConfig(window_s=1.0, rate_hz=40, pose_fps=10),
    )
    rows = []
    for i in range(clips):
        row = _pose_clip(f"c{i}", 21, 10.0, subject=None, text="" if i % 7 == 3 else f"sentence {i % 10}")
        row |= {"label": None if i % 5 == 0 else f"label {i % 13}", "rate_hz": 40.0, "n_samples": 80}
        row |= {"poses": rng.normal(size=(21, 24, 3)), "trans": rng.normal(size=(21, 3))}
        rows.append(row | {schema.imu_column(wrist): 10 * rng.normal(size=(80, 6)) for wrist in wrists})
    (folder / "table").mkdir(parents=True)
    tables.write_table(folder / "table", rows, schema.synthetic_clips(wrists), -(-clips // shards))
    cuts = [Shard(path, path.stem, wrists) for path in tables.shard_paths(folder / "table")]
    if recordings:
        (folder / "real").mkdir()
        tables.write_table(folder / "real", recordings, schema.imu_recordings(), len(recordings))
        cuts += [
            Shard(path, f"real-{path.stem}", schema.PLACEMENTS, "real", True) for path in tables.shard_paths(folder / "real")
        ]
    for cut in cuts:
        cut_shard(cut, folder / "windows", shape, wrists, [])
    return write_index(
        folder / "windows", cuts, shape, wrists, val_share=val_share, seed=0,
        embed=lambda sentences: rng.normal(size=(len(sentences), 12)).astype(np.float32), **options,
    )  # fmt: skip


@pytest.fixture(scope="session")
def window_store() -> Callable[..., Any]:
    """window_store(folder, clips, shards, val_share, recordings) -> a WindowStore: windows of 1 s, both wrists at 40 Hz."""
    return _window_store


@pytest.fixture(scope="session")
def real_recordings() -> list[Row]:
    """Two labelled in part and worn on one wrist, one of them without a gyroscope; one without labels, of 25 Hz, on both wrists;
    one on the ankle."""
    segments = [
        {"start_s": 0.0, "stop_s": 2.0, "label": "WALKING"}, {"start_s": 3.0, "stop_s": 5.0, "label": "sit_down"},
    ]  # fmt: skip
    rows = [
        _recording(f"labelled-{s}", 5.0, 40.0, subject=f"p{s}", source="watch", label=None, segments=segments) for s in range(2)
    ]
    rows[1][schema.imu_column("right_wrist")][:, 3:] = np.nan
    both = _recording("both", 6.0, 25.0, subject="p2", source="watch", label=None)
    both[schema.imu_column("left_wrist")] = both[schema.imu_column("right_wrist")][::-1].copy()
    return [*rows, both, _recording("ankle", worn="left_ankle", subject="p3", source="watch")]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, surroundings: Path) -> Path:
    """A classifier of both wrists (`exported.py`), exported by the command into `out`, beside `classifier` and `figures.json`."""
    from exported import classifier, saved

    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("export")
    made = saved(folder / "classifier", classifier()[1])
    assert main(["export", str(made), "--out", str(folder / "out"), "--json", str(folder / "figures.json")]) == 0
    return folder / "out"


def pytest_report_header() -> str:
    """The real data of tests/real, where there is some."""
    return f"M3N_DATA: {os.environ.get('M3N_DATA', 'not set')}"
