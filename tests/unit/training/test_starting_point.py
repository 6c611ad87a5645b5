"""What a fine-tuning starts from: decided on the training people alone, or the usual start where they cannot tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gestures import MODEL, by_four_people, people

from m3n.config import FinetuneConfig, WindowsConfig
from m3n.data.windows import Normaliser
from m3n.models import make_imu_tower
from m3n.training.checkpoint import Checkpoint
from m3n.training.starting_point import Choice, choose_start, config_of, trust

SHAPE = WindowsConfig()
QUICK = {"start": "auto", "epochs": 1, "min_steps": 40, "batch_size": 8, "lr": 5e-3, "model": MODEL}


@pytest.fixture(scope="module")
def windows(recording):
    return by_four_people(recording)


@pytest.fixture(scope="module")
def blank():
    """A checkpoint whose encoder has forgotten everything: all its weights are zero."""
    tower = make_imu_tower(("right_wrist",), MODEL.model_dump())
    weights = {f"imu.{name}": value * 0 for name, value in tower.state_dict().items()}
    return Checkpoint("multi3net", weights, MODEL, SHAPE, ["right_wrist"], Normaliser(9.8, 1.0), subjects={"test": ["s0"]})


def test_a_checkpoint_that_harms_is_not_chosen_and_the_evidence_says_so(windows, blank):
    config = FinetuneConfig(**QUICK, freeze="frozen")
    first = choose_start(windows, SHAPE, config, blank, None)
    assert (first.start, first.decided_by) == ("scratch", "scores")
    scores = first.evidence["macro_f1"]
    assert scores["pretrained"] < 0.4 < 0.7 < scores["scratch"]  # one class of two, always: 1/3
    assert first.evidence["people"] == 4
    assert first.evidence["examples_per_class"] == 4
    assert first.evidence["people_in_pretraining"] == 1
    assert f"pretrained {scores['pretrained']:.3f}" in first.reason


@pytest.mark.parametrize("who", [("s0", "s1", "s2"), ("s0",)])
def test_the_usual_start_is_taken_where_labels_or_people_are_too_few(windows, blank, who):
    few, config = people(windows, *who), FinetuneConfig(**QUICK)
    clips = replace(windows, sources=["clips"] * len(windows.sources))
    half = clips.subset(clips.label == 0)
    for checkpoint, beside, start in (
        (blank, clips, "rehearsed"), (None, clips, "co_trained"), (blank, None, "pretrained"), (blank, half, "pretrained"),
        (None, half, "scratch"),
    ):  # fmt: skip
        found = choose_start(few, SHAPE, config, checkpoint, beside)
        assert (found.start, found.decided_by) == (start, "usual")


def test_a_start_differs_from_the_others_in_weights_and_clips_alone(blank):
    config = FinetuneConfig(start="auto", freeze="gradual", head="text", rehearse=0.3)
    scratch, rehearsed = (config_of(start, config, blank) for start in ("scratch", "rehearsed"))
    assert (scratch.model, scratch.head, scratch.freeze, scratch.rehearse) == (MODEL, "linear", "not_frozen", 0)
    assert (rehearsed.head, rehearsed.freeze, rehearsed.rehearse, rehearsed.rehearse_fade) == ("text", "gradual", 0.3, 30)
    assert config_of("co_trained", FinetuneConfig(rehearse_fade=0), None).rehearse_fade == 0
    as_set = FinetuneConfig(rehearse=0.3)
    assert config_of("co_trained", as_set, None) is as_set


def test_clips_get_a_share_by_what_a_classifier_of_them_alone_recognises(windows):
    few, config = people(windows, "s0", "s1"), FinetuneConfig(**QUICK, rehearse=0.4)
    clips = replace(people(windows, "s2", "s3"), sources=["clips"] * len(windows.sources))
    found = choose_start(few, SHAPE, config, None, clips)
    assert found.evidence["clips_alone_macro_f1"] > 0.8
    assert found.start == "co_trained"
    assert found.rehearse == pytest.approx(0.4 * trust(found.evidence["clips_alone_macro_f1"], 2, 4))
    assert found.settings(config).rehearse == found.rehearse > 0.1
    assert f"so clips get {found.rehearse:.0%} of a batch" in found.reason
    exchanged = replace(clips, label=1 - clips.label)
    found = choose_start(few, SHAPE, config, None, exchanged)
    assert (found.start, found.rehearse) == ("scratch", 0)
    assert "no clips are rehearsed" in found.reason
    assert Choice("scratch", "asked", "").settings(config) is config


@pytest.mark.parametrize(
    ("macro_f1", "classes", "share"), [(0.2, 5, 0), (0.1, 5, 0), (0.44, 5, 0.25), (0.68, 5, 1), (1, 2, 1), (1, 1, 0)]
)
def test_half_the_skill_is_worth_a_quarter_of_the_share(macro_f1, classes, share):
    assert trust(macro_f1, classes, 10**9) == pytest.approx(share, abs=1e-3)


def test_few_examples_say_little():
    assert trust(0.68, 5, 5) < 0.8 < 0.9 < trust(0.68, 5, 50) < 1
    assert trust(0.2, 5, 5) > 0.05 > trust(0.2, 5, 50) > 0
