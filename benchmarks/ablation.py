"""Which pretraining objective earns what: every one alone, all together, and the paper's preset, judged by `m3n evaluate`.

    m3n bench ablation --clips data/utd/synthetic --recordings data/utd/recordings --held-out s7 s8 --out runs/ablation \\
        --seeds 0 1 2 --set optim.epochs=25 model.width=64

Held-out subjects are left out of every pretraining and are all that is tested on. `--set` changes settings of `m3n pretrain` in
every cell, whatever its preset says. A cell is a variant and a seed: what it found stays in OUT/cells/*/cell.json, so that a run
that was interrupted, or is asked for more seeds, goes on with the cells that are missing; a cell of other settings, data or
subjects is made again. OUT/ablation.md holds the table, the command, the date, the machine and the commit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import m3n
from m3n import config, schema, tracking
from m3n.config import EvaluateConfig, LossConfig, PretrainConfig
from m3n.errors import InputError, nearest
from m3n.io import tables
from m3n.reports.markdown import markdown_table

COLUMNS = {
    "zero-shot F1": ("zero_shot_recording_macro_f1",),
    "kNN F1": ("knn_recording_macro_f1",),
    "linear probe F1": ("linear_probe_recording_macro_f1",),
    "text → IMU R@10": ("retrieval", "text_to_imu", "r10"),
    "IMU → pose R@10": ("retrieval", "imu_to_pose", "r10"),
    "Pose2IMU r acc": ("pose2imu_r_acc",),
    "Pose2IMU r gyro": ("pose2imu_r_gyro",),
}
CHANCE = {
    "zero-shot F1": ("chance_recording_macro_f1",),
    "kNN F1": ("chance_recording_macro_f1",),
    "linear probe F1": ("chance_recording_macro_f1",),
    "text → IMU R@10": ("retrieval", "text_to_imu", "chance_r10"),
    "IMU → pose R@10": ("retrieval", "imu_to_pose", "chance_r10"),
}


def variants() -> dict[str, tuple[Path | None, list[str]]]:
    """Name -> (preset, overrides) of a pretraining: all objectives, the paper's preset, each objective alone at weight 1."""
    names = list(LossConfig().weights)
    alone = {name: [f"loss.{other}={int(other == name)}" for other in names] for name in names}
    whole: dict[str, tuple[Path | None, list[str]]] = {"all": (None, []), "paper": (config.preset("paper.yaml"), [])}
    return whole | {f"{name} alone": (None, overrides) for name, overrides in alone.items()}


def run_cell(
    folder: Path, clips: Path, recordings: Path, pretraining: PretrainConfig, evaluation: EvaluateConfig
) -> dict[str, Any]:
    """Pretrain and evaluate, or what is left of it to do; the figures of the evaluation."""
    inputs = {"clips": tables.data_sha256(clips), "recordings": tables.data_sha256(recordings)}
    wanted = {
        "pretrain": pretraining.model_dump(mode="json"), "evaluate": evaluation.model_dump(mode="json"), "inputs": inputs,
    }  # fmt: skip
    kept = _read(folder / "cell.json")
    if kept and _deciding(kept["settings"]) == _deciding(wanted):
        return kept["figures"]
    trained = _read(folder / "pretrain" / tables.MANIFEST) or {}
    same_data = list(trained.get("inputs", {}).values()) == [inputs["clips"]]
    if not same_data or _deciding({"pretrain": trained["config"]}) != _deciding({"pretrain": wanted["pretrain"]}):
        m3n.pretrain(clips, folder / "pretrain", pretraining)
    figures = m3n.evaluate(folder / "pretrain", folder / "evaluate", evaluation, clips, recordings)
    cell = {"settings": wanted, "commit": tracking.git_sha(), "figures": figures}
    tables.write_text(folder / "cell.json", json.dumps(cell, indent=2) + "\n")
    return figures


def _deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a cell but for those of the pretraining that only decide how fast it is."""
    return {**settings, "pretrain": {key: value for key, value in settings["pretrain"].items() if key not in config.HARDWARE}}


def _read(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Markdown of variant -> one dict of figures per seed: means, with the standard deviation where there are several seeds."""
    rows = [[name, *(_cell(cells, path) for path in COLUMNS.values())] for name, cells in found.items()]
    first = next(iter(found.values()))
    rows.append(["chance", *(_cell(first[:1], CHANCE.get(column, ())) for column in COLUMNS)])
    return markdown_table(["objectives", *COLUMNS], rows)


def _cell(cells: Sequence[Mapping[str, Any]], path: Sequence[str]) -> str:
    values = [value for value in (_dig(cell, path) for cell in cells) if isinstance(value, float)]
    if not values:
        return "-"
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def _dig(figures: Any, path: Sequence[str]) -> Any:
    for key in path:
        figures = figures.get(key) if isinstance(figures, dict) else None
    return figures


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{os.cpu_count()} cores of {model or platform.machine()}"


def cells(options: argparse.Namespace) -> Iterator[tuple[str, int, PretrainConfig]]:
    """(variant, seed, settings) of every cell; left_right alone only where the clips have both wrists.

    Raises InputError for a variant that is unknown or asks for a wrist that is not there, and for an unknown setting, before
    anything is trained.
    """
    known = variants()
    for name in options.variants or ():
        if name not in known:
            raise InputError(f"unknown variant '{name}'{nearest(name, known)}; expected some of {', '.join(known)}")
    there = schema.simulated_placements(tables.read_schema(tables.shard_paths(options.clips)[0]).names)
    if not {"left_wrist", "right_wrist"} <= set(there):
        known.pop("left_right alone")
        if "left_right alone" in (options.variants or ()):
            raise InputError(f"{options.clips}: 'left_right alone' needs both wrists, and there is {', '.join(there)}")
    for seed in options.seeds:
        for name in options.variants or known:
            preset, overrides = known[name]
            given = [*overrides, *options.set, f"seed={seed}", f"exclude_subjects=[{','.join(options.held_out)}]"]
            yield name, seed, config.resolve(PretrainConfig, "pretrain", preset, given)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="table of synthetic clips")
    parser.add_argument("--recordings", type=Path, required=True, help="table of labelled recordings")
    parser.add_argument("--held-out", nargs="+", required=True, metavar="SUBJECT", help="subjects to test on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the cells and the table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the pretraining")
    parser.add_argument("--variants", nargs="+", help=f"some of: {', '.join(variants())} (default: all of them)")
    parser.add_argument("--set", nargs="+", default=[], metavar="key=value", help="settings of `m3n pretrain` for every cell")
    options = parser.parse_args(arguments)
    evaluation = config.check(EvaluateConfig, {"subjects": options.held_out, "picture": "none"})
    found: dict[str, list[dict[str, Any]]] = {}
    planned = list(cells(options))
    for number, (name, seed, pretraining) in enumerate(planned, 1):
        print(f"cell {number} of {len(planned)}: {name}, seed {seed}", file=sys.stderr, flush=True)
        folder = options.out / "cells" / f"{name.replace(' ', '-')}-seed{seed}"
        found.setdefault(name, []).append(run_cell(folder, options.clips, options.recordings, pretraining, evaluation))
    seeds = f"{len(options.seeds)} seeds, mean ± standard deviation" if len(options.seeds) > 1 else "one seed"
    text = (
        "# Ablation of the pretraining objectives\n\nMacro F1 over whole recordings of the held-out subjects "
        f"{', '.join(options.held_out)}; recall at 10 and median correlation over their synthetic clips, cut as each variant was "
        f"pretrained, so that recall compares within a window length only; chance is the first variant's; {seeds}."
        f"\n\n{table(found)}\n"
        f"    m3n bench ablation {shlex.join(sys.argv[1:] if arguments is None else arguments)}\n\n"
        f"{date.today().isoformat()}, {_machine()}, commit {tracking.git_sha()[:7] or 'unknown'}.\n"
    )
    tables.write_text(options.out / "ablation.md", text)
    print(text)


if __name__ == "__main__":
    main()
