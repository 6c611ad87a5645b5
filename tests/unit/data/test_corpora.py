"""Tables to pretrain on: their names, their placements, their weights, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3n import schema
from m3n.data.corpora import Mixture, all_placements, open_corpora, shards_of
from m3n.errors import InputError
from m3n.io import tables


@pytest.fixture(scope="module")
def folder(synthetic_clip, real_recordings, tmp_path_factory) -> Path:
    """Clips of both wrists and of one with the head, each called c0, and recordings of the source `watch`."""
    folder = tmp_path_factory.mktemp("tables")
    row = synthetic_clip("c0", source="utd_mhad")
    head = {name: value for name, value in row.items() if name != "imu_left_wrist"} | {"imu_head": row["imu_left_wrist"]}
    for name, rows, columns in (
        ("utd/synthetic", [row], schema.synthetic_clips(["left_wrist", "right_wrist"])),
        ("moves", [head | {"source": "sketch"}], schema.synthetic_clips(["right_wrist", "head"])),
        ("study/recordings", real_recordings, schema.imu_recordings()),
    ):
        (folder / name).mkdir(parents=True)
        tables.write_table(folder / name, rows, columns, 9)
    return folder


@pytest.fixture(scope="module")
def corpora(folder):
    return open_corpora([folder / "utd" / "synthetic", folder / "moves"], [folder / "study" / "recordings"])


def test_a_table_is_called_by_its_folder_or_the_one_above(corpora):
    assert [corpus.name for corpus in corpora] == ["utd", "moves", "study"]
    assert [shard.folder for shard in shards_of(corpora)] == ["00-utd/part-00000", "01-moves/part-00000", "02-study/part-00000"]
    assert [shard.folder for shard in shards_of(corpora[:1])] == ["part-00000"]


def test_the_network_has_the_placements_of_all_clips_or_those_worn_in_recordings(corpora):
    assert all_placements(corpora) == ("left_wrist", "right_wrist", "head")
    assert all_placements(corpora[2:]) == ("left_wrist", "right_wrist", "left_ankle")


def test_weights_go_by_table_and_source(corpora):
    mixture = Mixture({"utd": 2, "utd_mhad": 3, "moves": 0}, ["watch"])
    mixture.check(corpora)
    assert mixture.weight("utd", "utd_mhad") == 6
    assert Mixture({"sketch": 2}).weight("sketch", "sketch") == 2
    assert mixture.weight("study", "watch") == 1
    assert [mixture.left_out(corpus) for corpus in corpora] == [False, True, False]
    assert mixture.unknown("study", "watch")
    assert not mixture.unknown("utd", "utd_mhad")


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        (Mixture({"utd_mad": 2}), "mix: no table and no source is called 'utd_mad', did you mean 'utd_mhad'?"),
        (Mixture({}, ["wach"]), "mounting.unknown: no table and no source is called 'wach', did you mean 'watch'?"),
        (Mixture({"utd": 0, "moves": 0, "watch": 0}), "mix leaves out every table"),
    ],
)
def test_a_mixture_that_does_not_fit_is_refused(corpora, mixture, message):
    with pytest.raises(InputError) as refused:
        mixture.check(corpora)
    assert message in str(refused.value)


def test_tables_that_cannot_be_pretrained_on_are_refused(folder):
    clips, recordings = folder / "moves", folder / "study" / "recordings"
    with pytest.raises(InputError, match=r"nothing to pretrain on: give a table of synthetic clips, or --recordings"):
        open_corpora([], [])
    with pytest.raises(InputError, match=r"moves is given twice: use mix"):
        open_corpora([clips, clips], [])
    with pytest.raises(InputError, match=r"part-00000\.parquet: column 'clip_id' is missing; a synthetic_clips table needs"):
        open_corpora([recordings], [])
    with pytest.raises(
        InputError, match=r"part-00000\.parquet: column 'recording_id' is missing; a imu_recordings table needs"
    ):
        open_corpora([], [clips])
