"""Leaving one dataset out: what each is pretrained on, what is left out in turn, and the joint table."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from m3n.commands.reproduce import strangers
from m3n.commands.reproduce.cells import CellResult
from m3n.commands.reproduce.command import results_in
from m3n.commands.reproduce.strangers_text import strangers_text
from m3n.config import ReproduceConfig, StrangersConfig, resolve
from m3n.config.names import ABLATIONS, BASELINES
from m3n.errors import InputError

SETS = ("seglearn_watch", "geotec", "utd_mhad")


def config(*settings: str) -> StrangersConfig:
    return resolve(StrangersConfig, "strangers", Path("strangers"), settings)


def of(name: str, *settings: str) -> ReproduceConfig:
    """The settings of one stranger among three."""
    own = {each: strangers._protocol(each, config(*settings)) for each in SETS}
    return strangers._with_others(name, own, config(*settings))


def test_a_stranger_is_pretrained_on_all_others_and_never_on_itself():
    for name, source in (("seglearn_watch", "seglearn_watch"), ("geotec", "geotec_watch"), ("utd_mhad", "utd_mhad")):
        found = of(name, "corpora={sketch: {clips: 5}, utd_mhad: {}}")
        assert source not in found.recordings
        assert source not in found.corpora
        assert set(found.recordings) == {"seglearn_watch", "geotec_watch", "utd_mhad"} - {source}
        assert set(found.corpora) == {"sketch", "utd_mhad"} - {source}  # UTD-MHAD has poses as well
        assert found.settings == ["cross_corpus"]


def test_settings_of_all_and_of_one_dataset_reach_its_grid():
    settings = ("common.finetune.epochs=3", "datasets.geotec.finetune.epochs=4", "folds=2", "labels=[1]", "sketch_clips=7")
    assert [of(name, *settings).finetune.epochs for name in SETS] == [3, 4, 3]
    found = of("geotec", *settings)
    assert (found.protocol.split, found.protocol.folds, found.labels, found.sketch_clips) == ("k_fold", 2, ["1"], 7)


@pytest.mark.parametrize("part", ABLATIONS)
def test_each_part_that_is_left_out_changes_what_is_pretrained_on(part):
    settings = {"axes": {"right_wrist": ["-y", "x", "z"]}}
    whole = of("geotec")
    whole = whole.model_copy(update={"recordings": whole.recordings | {"openpack": settings}})
    found = strangers._without(part, whole)
    kept = {
        "class_sketches": (0, whole.corpora, whole.recordings),
        "other_sketches": (2000, {k: v for k, v in whole.corpora.items() if k != "sketch"}, whole.recordings),
        "recordings": (2000, whole.corpora, {}),
        "mocap": (2000, {"sketch": whole.corpora["sketch"]}, whole.recordings),
        "axes": (2000, whole.corpora, whole.recordings | {"openpack": {}}),
    }
    assert (found.sketch_clips, found.corpora, found.recordings) == kept[part]
    assert set(found.methods) & set(BASELINES) == (set(BASELINES) & set(whole.methods) if part == "axes" else set())


def test_one_dataset_alone_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least two"):
        strangers.strangers({"geotec": ()}, tmp_path / "out", config())


def results(folder: Path, name: str, wanted: dict[tuple[str, str], float]) -> list[CellResult]:
    """Results as a run leaves them in `folder`, three people tested in turn, each 0.01 better than the last."""
    scores = {label: {"precision": f1, "recall": f1, "f1": f1, "count": 2} for label, f1 in (("a", 1.0), ("b", 0.0))}
    for (method, labels), mean in wanted.items():
        for fold in range(3):
            result = CellResult(
                dataset=name, setting="none", method=method, labels=labels, seed=0, fold=fold, test_subjects=(f"s{fold}",),
                macro_f1=mean + 0.01 * fold, accuracy=mean, window_macro_f1=mean, train_examples=4, test_examples=4,
                per_class=scores, confusion=[[2, 0], [2, 0]], elapsed_s=1.0,
            )  # fmt: skip
            file = folder / "cells" / method / f"{labels.replace('%', 'pct')}-{fold}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asdict(result)))
    return results_in(folder)


def test_the_joint_table_has_means_gains_and_the_worth_of_each_part(tmp_path):
    first = {("scratch", "1"): 0.4, ("auto", "1"): 0.6, ("scratch", "10%"): 0.7, ("auto", "10%"): 0.7, ("zero_shot", "0"): 0.9}
    second = {("scratch", "1"): 0.5, ("auto", "1"): 0.5, ("scratch", "10%"): 0.8, ("auto", "10%"): 0.9, ("zero_shot", "0"): 0.3}
    found = {"one": results(tmp_path / "one", "one", first), "two": results(tmp_path / "two", "two", second)}
    less = {("auto", "1"): 0.5, ("auto", "10%"): 0.7}
    without = {"mocap": {name: results(tmp_path / f"{name}-", name, less) for name in found}}
    text, figures, curves, budgets = strangers_text(found, without, 50)
    expected = {
        "one/gain/auto/1": 0.2, "two/gain/auto/10%": 0.1, "mean/gain/auto/1": 0.1, "smallest/gain/auto/1": 0.0,
        "mean/gain/auto/10%": 0.05, "one/zero_shot_over_chance": 2 * 0.91, "worth/mocap/auto/1": 0.05, "worth/mocap/auto/10%": 0.1,
    }  # fmt: skip
    assert {key: figures[key] for key in expected} == pytest.approx(expected)
    assert curves["scratch"][0.0] == pytest.approx([0.41, 0.51])
    assert budgets == {0.0: "1 per class", 1.0: "10%"}
    assert "+0.100 (+0.000)" in text
    assert "Zero-shot: 0.910, 1.8 times chance." in text
