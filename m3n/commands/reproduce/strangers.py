"""`m3n reproduce strangers`: is a pretraining worth anything on a dataset that nobody had seen?

Each dataset in turn is the stranger: `reproduce` pretrains on the poses of all other sources, on the other datasets' labelled
recordings and on sketches of the stranger's classes, and compares with training from scratch on people never seen. The tables of
all are then read together. Every step is kept, so an interrupted run resumes, and a larger grid adds only its new cells.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m3n import sources
from m3n.commands.reproduce.cells import CROSS_CORPUS, CellResult
from m3n.commands.reproduce.command import protocol_file, reproduce, results_in
from m3n.commands.reproduce.data import Files, beside
from m3n.commands.reproduce.strangers_text import strangers_text
from m3n.config import ReproduceConfig, StrangersConfig, check, resolve
from m3n.config.base import overlay
from m3n.config.names import BASELINES, SKETCH
from m3n.errors import InputError
from m3n.io import locks, tables
from m3n.reports import classification_plots

CLASS_SKETCHES, OTHER_SKETCHES, RECORDINGS, MOCAP, AXES = "class_sketches", "other_sketches", "recordings", "mocap", "axes"
TURNS = ("axes", "axes_from")  # settings of `ingest` that turn sensors into m3n's frame


def strangers(
    datasets: Mapping[str, Files],
    out: Path,
    config: StrangersConfig,
    corpora: Mapping[str, Files] | None = None,
    address: str | None = None,
) -> dict[str, Any]:
    """Run or resume the grid of every dataset in `out`; returns the figures of the joint table.

    `datasets`: name of a protocol -> the dataset's files (none for a source that needs none); `corpora`: source -> files. Leaves
    `out`/<dataset> as `reproduce` does, `out`/<dataset>-without-<part> for `leave_out`, and results.md, results.json and
    learning_curve.png over all. Raises InputError for fewer than two datasets, and what `reproduce` raises.
    """
    started = time.perf_counter()
    if len(datasets) < 2:
        raise InputError("strangers leaves one dataset out: give --data NAME=FILE for at least two")
    own = {name: _protocol(name, config) for name in datasets}
    every = tuple(file for given in datasets.values() for file in given)
    found_beside = {source: lying for source in config.corpora if (lying := beside(every, source))}
    files = {**found_beside, **(corpora or {}), **{own[name].protocol.source: given for name, given in datasets.items()}}
    wanted = {name: _with_others(name, own, config) for name in datasets}
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[CellResult]] = {}
    without: dict[str, dict[str, list[CellResult]]] = {}
    with locks.held(out):
        for name, given in datasets.items():
            others = {source: paths for source, paths in files.items() if source != own[name].protocol.source}
            shared = out / "data"
            reproduce(name, given, out / name, wanted[name], others, address, shared)
            found[name] = results_in(out / name)
            for part in config.leave_out:
                folder = out / f"{name}-without-{part}"
                apart = shared / "as_recorded" if part == AXES else shared
                reproduce(name, given, folder, _without(part, wanted[name]), others, address, apart)
                without.setdefault(part, {})[name] = results_in(folder)
        text, figures, curves, budgets = strangers_text(found, without, config.sketch_clips)
        tables.write_text(out / "results.md", text)
        tables.write_text(out / "results.json", json.dumps(figures, indent=2) + "\n")
        classification_plots.learning_curve_plot(
            out / "learning_curve.png", curves, "labels of the training people",
            f"Mean over {len(found)} datasets that nothing was pretrained on", budgets,
        )  # fmt: skip
    return figures | {"elapsed_s": time.perf_counter() - started}


def _protocol(name: str, config: StrangersConfig) -> ReproduceConfig:
    """A dataset's own protocol, with this run's settings on top."""
    settings = overlay(config.common, config.datasets.get(name, {}))
    base = resolve(ReproduceConfig, "reproduce", base=protocol_file(name))
    return check(ReproduceConfig, overlay(base.model_dump(mode="json", exclude_unset=True), settings))


def _with_others(name: str, own: Mapping[str, ReproduceConfig], config: StrangersConfig) -> ReproduceConfig:
    """The settings of one stranger: everything but its own data is pretrained on."""
    target = own[name]
    others = {c.protocol.source: c.protocol.ingest for c in own.values() if c.protocol.source != target.protocol.source}
    corpora = {source: settings for source, settings in config.corpora.items() if source != target.protocol.source}
    corpora |= {source: settings for source, settings in others.items() if hasattr(sources.load(source), "pose_clips")}
    mix = {} if config.recordings_weight == 1 else dict.fromkeys(others, config.recordings_weight)
    folds = {}
    if config.folds is not None and target.protocol.split != "official":
        folds = {"protocol": {"split": "k_fold", "folds": config.folds}}
    return check(
        ReproduceConfig,
        overlay(
            overlay(target.model_dump(mode="json", exclude_unset=True), folds),
            {
                "settings": [CROSS_CORPUS], "recordings": others, "sketch_clips": config.sketch_clips,
                "methods": config.methods, "labels": config.labels, "seeds": config.seeds, "workers": config.workers,
                "pretrain": {"mix": mix},
            },
        ) | {"corpora": corpora},
    )  # fmt: skip


def _without(part: str, config: ReproduceConfig) -> ReproduceConfig:
    """The settings of a run that lacks one part of what is pretrained on; baselines stay as they are, and are not run again."""
    changed: dict[str, Any] = {"methods": [method for method in config.methods if method not in BASELINES]}
    if part == CLASS_SKETCHES:
        changed["sketch_clips"] = 0
    elif part == OTHER_SKETCHES:
        changed["corpora"] = {source: own for source, own in config.corpora.items() if source != SKETCH}
    elif part == RECORDINGS:
        changed["recordings"] = {}
        mix = {source: weight for source, weight in config.pretrain.mix.items() if source not in config.recordings}
        changed["pretrain"] = config.pretrain.model_copy(update={"mix": mix})
    elif part == MOCAP:
        changed["corpora"] = {source: own for source, own in config.corpora.items() if source == SKETCH}
    elif part == AXES:
        ingest = {key: value for key, value in config.protocol.ingest.items() if key not in TURNS}
        changed["protocol"] = config.protocol.model_copy(update={"ingest": ingest})
        changed["recordings"] = {s: {k: v for k, v in own.items() if k not in TURNS} for s, own in config.recordings.items()}
        changed["methods"] = config.methods
    return config.model_copy(update=changed)
