"""A protocol names its subjects once, and a grid has something to do."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from m3n.config import ReproduceConfig

PROTOCOL = {"source": "utd_mhad", "placements": ["right_wrist"]}
OFFICIAL = PROTOCOL | {"split": "official"}


def test_labels_may_be_numbers_as_yaml_reads_them():
    assert ReproduceConfig(protocol=PROTOCOL, labels=[1, "10%"]).labels == ["1", "10%"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ["froozen"]}, "unknown method 'froozen', did you mean 'frozen'"),
        ({"labels": ["0%"]}, r"labels is '0%': expected a share of all \(10%\)"),
        ({"labels": ["101%"]}, "labels is '101%'"),
        ({"methods": []}, "methods is empty: name at least one"),
        ({"seeds": []}, "seeds is empty"),
        ({"protocol": OFFICIAL}, "test_subjects must be given if split is official"),
        ({"protocol": PROTOCOL | {"test_subjects": ["a"]}}, "test_subjects must be given if split is official, and only then"),
        ({"protocol": OFFICIAL | {"test_subjects": ["a"], "val_subjects": ["a"]}}, "subject 'a' is in two of the lists"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        ReproduceConfig(**({"protocol": PROTOCOL} | settings))
