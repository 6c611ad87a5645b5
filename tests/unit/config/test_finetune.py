"""Settings of a fine-tuning that contradict each other are refused before anything is read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from m3n.config import AugmentConfig, FinetuneConfig, TuneConfig


def test_the_augmentation_of_a_finetuning_is_milder_than_that_of_a_pretraining():
    own = FinetuneConfig().augment
    assert own == AugmentConfig(turn_rad=0.3, mask=0.0, placement_dropout=0.0, low_rate=0.0)
    assert FinetuneConfig(augment={"noise": 0.2}).augment == own.model_copy(update={"noise": 0.2})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": "attention", "targets": "dense"}, "head=attention pools the steps of a window"),
        ({"fold": 5}, r"fold is 5, expected below folds = 5"),
        ({"train_subjects": 0}, "train_subjects is 0, expected at least 1"),
        ({"rehearse": 1.0}, "less than 1"),
        ({"freeze_options": {"probe": 1.0}}, "less than 1"),
        ({"freeze_options": {"first": 0}}, "greater than or equal to 1"),
        ({"freeze_options": {"rank": 2.5}}, "valid integer"),
        ({"freeze_options": {"depth": 1}}, "Extra inputs"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        FinetuneConfig(**settings)


def test_a_fold_does_not_matter_where_the_test_subjects_are_named():
    assert FinetuneConfig(fold=7, test_subjects=["a"]).fold == 7


def test_who_says_what_is_frozen_or_rehearsed_has_chosen_the_start():
    assert FinetuneConfig().start == "auto"
    for given in ({"freeze": "not_frozen"}, {"rehearse": 0.0}, {"rehearse": 0.5, "freeze": "frozen"}):
        found = FinetuneConfig(**given)
        assert found.start == "as_set"
        assert FinetuneConfig(**found.model_dump()).start == "as_set"
    assert FinetuneConfig(start="auto", freeze="frozen").start == "auto"
    assert FinetuneConfig(**FinetuneConfig().model_dump()).start == "auto"


def test_a_sweep_decides_nothing_since_its_trials_start_from_their_own_pretraining():
    for given in ({}, {"finetune": {"epochs": 3}}, {"finetune": {"start": "auto"}}, {"finetune": FinetuneConfig()}):
        assert TuneConfig(**given).finetune.start == "as_set"
    for refused in ({"start": "scratch"}, {"unlabelled": True}):
        with pytest.raises(ValidationError, match="a sweep starts from its own pretraining"):
            TuneConfig(finetune=refused)
