"""What a user has who installs the wheel in an empty folder: every command, with no checkout in sight.

The wheel is built from the sdist, so that both are complete. It is installed into an environment of its own, which also sees the
packages of this one, but not this checkout.
"""

from __future__ import annotations

import json
import os
import runpy
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from places import REPOSITORY

import m3n

pytestmark = pytest.mark.slow
TINY = ["model.width=16", "model.depth=1", "model.embedding=16", "windows.hop_s=2", "optim.epochs=1", "optim.batch_size=32"]
TINY_TUNE = [f"pretrain.{setting}" for setting in TINY] + ["pretrain.workers=1", "finetune.epochs=1", "finetune.min_steps=5"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist and the wheel, built without network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and the empty folder that commands run in."""

    scripts: Path
    folder: Path

    def run(self, *command: str, status: int = 0) -> str:
        """Run a command of the environment, which must end with this status; its output, errors included."""
        program = self.scripts / command[0]
        done = subprocess.run(
            [str(program), *command[1:]], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        output = done.stdout + done.stderr
        assert done.returncode == status, f"{shlex.join(command)} ended with {done.returncode}:\n{output}"
        return output

    @property
    def environment(self) -> dict[str, str]:
        ours = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "RAY_ADDRESS", "VIRTUAL_ENV")}
        return {**ours, "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder.parent}/mlflow.db"}


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # a folder named by a .pth is searched, but the .pth files in it are not read: an editable m3n there stays out of sight
    (packages / "rest.pth").write_text(sysconfig.get_path("purelib") + "\n")
    empty = folder / "empty"
    empty.mkdir()
    there = Installed(environment / "bin", empty)
    script = "import m3n, importlib.metadata as meta; print(m3n.__file__, meta.distribution('m3n').locate_file(''))"
    assert there.run("python", "-c", script).split() == [str(packages / "m3n" / "__init__.py"), str(packages)]
    return there


@pytest.fixture(scope="module")
def tables(installed: Installed) -> Path:
    """Folder with the tables poses, synthetic and watch, made from the wheel."""
    installed.run("m3n", "ingest", "choreography", "--out", "data", "clips=24", "rows_per_shard=8")
    installed.run("m3n", "simulate", "data/poses", "--out", "data/synthetic", "--config", "demo", "workers=1")
    installed.run("m3n", "ingest", "seglearn_watch", "--out", "data/watch")
    return installed.folder / "data"


def test_the_sdist_has_what_a_checkout_needs(built: Path) -> None:
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = ("Makefile", "constraints.txt", "cluster.yaml", "runtime_env.yaml", "CONTRIBUTING.md", "LICENSE", ".ci/run")
    assert set(files) <= names
    top = ("m3n", "configs", "tune_spaces", "jobs", "benchmarks", "deploy", "docs", "tests", "tools")
    tracked = subprocess.run(["git", "ls-files", *top], cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout
    assert set(tracked.split()) <= names


def test_the_wheel_has_the_package_alone_without_recorded_figures(built: Path) -> None:
    (file,) = built.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"m3n", f"m3n-{m3n.__version__}.dist-info"}
    for folder in ("configs", "configs/protocols", "tune_spaces", "jobs", "benchmarks"):
        ours = {file.name for file in (REPOSITORY / folder).iterdir() if file.suffix in (".py", ".yaml")}
        assert ours == {Path(name).name for name in names if str(Path(name).parent) == f"m3n/{folder}"}
    assert "m3n/constraints.txt" in names
    assert not any("results" in Path(name).parts for name in names)


def test_the_command_and_the_module_say_the_same(installed: Installed) -> None:
    assert m3n.__version__ in installed.run("python", "-m", "m3n", "--version")
    assert installed.run("python", "-m", "m3n", "--help") == installed.run("m3n", "--help")


def test_the_doctor_knows_the_tested_versions(installed: Installed) -> None:
    installed.run("m3n", "doctor", "--no-ray", "--json", "doctor.json")
    checks = {check["name"]: check for check in json.loads((installed.folder / "doctor.json").read_text())["checks"]}
    packages = checks["packages"]
    assert "as tested" in packages["found"] or "site-packages/m3n/constraints.txt" in packages["advice"]


def test_presets_protocols_and_spaces_are_found_by_name(installed: Installed) -> None:
    missing = installed.run("m3n", "pretrain", "nowhere", "--out", "x", "--config", "demmo", status=2)
    assert "did you mean 'demo'?" in missing
    assert "paper" in missing
    protocols = installed.run("m3n", "reproduce", "utd_mhadd", "--out", "x", status=2)
    assert "did you mean 'utd_mhad'?" in protocols
    assert "seglearn_watch" in protocols
    spaces = installed.run("m3n", "tune", "a", "b", "--space", "join", "--out", "x", status=2)
    assert "corpora, encoder, freeze, joint, loss_weights" in spaces


def test_every_command_of_the_documents_exists_with_its_settings(installed: Installed) -> None:
    docs = runpy.run_path(str(REPOSITORY / "tests" / "repository" / "test_docs.py"))
    script = """
import shlex, sys
from pathlib import Path
sys.path.append(sys.argv[1])
from commands import check_command
for command in sys.stdin.read().splitlines():
    try:
        check_command(shlex.split(command))
    except Exception as error:
        print(f"{command}: {type(error).__name__}: {error}")
"""
    shown = [command for page in docs["PAGES"] for command in docs["shown_commands"](page)]
    commands = [command for command in shown if not any(left_open in command for left_open in ("…", "...", "[KEY"))]
    assert len(commands) > 50
    done = subprocess.run(
        [str(installed.scripts / "python"), "-c", script, str(REPOSITORY / "tests")], input="\n".join(commands),
        cwd=installed.folder, env=installed.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""


def test_pretraining_and_a_classifier_of_real_recordings(installed: Installed, tables: Path) -> None:
    installed.run("python", "-m", "m3n.jobs.pretrain", "data/synthetic", "--out", "pretrained", "--config", "demo", *TINY)
    installed.run(
        "m3n", "finetune", "data/watch/recordings", "--checkpoint", "pretrained", "--out", "classifier", "epochs=1", "min_steps=5"
    )  # fmt: skip
    assert (installed.folder / "classifier" / "metrics.json").exists()
    installed.run("m3n", "predict", "data/watch/recordings", "--checkpoint", "classifier", "--out", "timeline")


def test_a_sweep_over_a_space_of_the_wheel(installed: Installed, tables: Path) -> None:
    installed.run(
        "m3n", "tune", "data/synthetic", "data/watch/recordings", "--space", "joint", "--config", "tune_demo", "--out", "sweep",
        *TINY_TUNE, "trials=1", "concurrent=1",
    )  # fmt: skip
    assert len(json.loads((installed.folder / "sweep" / "trials.json").read_text())) == 1


def test_benchmarks_run_and_say_where_figures_are_recorded(installed: Installed) -> None:
    assert "simulate" in installed.run("m3n", "bench")
    refused = installed.run("m3n", "bench", "simulate", "--record", status=2)
    assert "of a checkout" in refused
    installed.run("m3n", "bench", "simulate", "--largest", "1", "--record", "--results", "figures")
    (record,) = (installed.folder / "figures").glob("simulate-*.json")
    assert json.loads(record.read_text())["figures"]["kernel_frames_per_s"] > 10_000
    assert json.loads(record.read_text())["commit"] == ""
