"""ASF skeletons and AMC motions become clips; what is damaged is named with its file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import clip, stands_upright
from fuzz.source_files import amc_text, asf_text

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.poses import asf_amc
from m3n.sources.poses.acclaim import kinematics, read_motion, read_skeleton


def written(folder: Path, **files: str) -> Path:
    for name, text in {"01.asf": asf_text(), **{f"{key}.amc": value for key, value in files.items()}}.items():
        (folder / name).write_text(text)
    return folder


def test_a_trial_becomes_a_clip_in_metres_with_its_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("trial,text,label\n01_02,a person walks,walk\n")
    written(tmp_path, **{"01_01": amc_text(), "01_02": amc_text()})
    first, second = (clip(row) for row in asf_amc.pose_clips(tmp_path, asf_amc.Options(texts=tmp_path / "t.csv")))
    assert (first["clip_id"], first["subject"], first["label"], first["text"]) == ("asf_amc-01_01", "01", None, "")
    assert (second["label"], second["text"]) == ("walk", "a person walks")
    assert first["fps"] == 120.0
    assert stands_upright(first)
    skeleton = read_skeleton(asf_text().encode(), "a.asf")
    joints, names = asf_amc.joints_of(skeleton, read_motion(amc_text().encode(), skeleton, "a.amc"), "a.amc")
    upper = joints[:, names.index("left_elbow")] - joints[:, names.index("left_shoulder")]
    np.testing.assert_allclose(np.linalg.norm(upper, axis=-1), 5.0 * 0.0254 / 0.45)


def test_a_bone_turns_about_its_own_axes() -> None:
    """The left elbow's axis is x turned by (180, -30, -90) degrees: (0, -0.87, 0.5); bent by 90 degrees, the forearm that pointed
    left points along axis x left = (0, 0.5, 0.87)."""
    skeleton = read_skeleton(asf_text().encode(), "a.asf")
    still = {f"{side}{bone}": values for side in "lr" for bone, values in (("humerus", (0, 0, 0)), ("clavicle", (0, 0)))}
    straight = dict.fromkeys(("lowerback", "upperback", "thorax"), (0, 0, 0))
    text = amc_text(2, **still, **straight, lradius=(90,), lwrist=(0,))
    turned, ends = kinematics(skeleton, read_motion(text.encode(), skeleton, "a.amc"))
    np.testing.assert_allclose((ends["lradius"] - ends["lhumerus"])[0], 3.5 * np.array([0, 0.5, np.sqrt(0.75)]), atol=1e-9)
    np.testing.assert_allclose(turned["lhumerus"][0], np.eye(3), atol=1e-12)


def test_the_wrist_bone_turns_the_forearm_about_itself() -> None:
    """40 degrees about the wrist bone turn the fitted forearm by 40 degrees, and leave its direction."""
    skeleton = read_skeleton(asf_text().encode(), "a.asf")
    forearms = []
    for angle in (0, 40):
        motion = read_motion(amc_text(4, lwrist=(angle,), lradius=(60,)).encode(), skeleton, "a.amc")
        joints, names = asf_amc.joints_of(skeleton, motion, "a")
        fit = asf_amc.fitted_clips("a", "a", joints, names, 120.0, asf_amc.Options(), 0.0)
        (found,) = fit
        elbow = SMPL_JOINTS.index("left_elbow")
        forearms.append(joint_transforms(load_body("smpl"), found.fit.poses, found.fit.trans, joints=[elbow])[0][0, 0])
    between = forearms[0].T @ forearms[1]
    assert np.degrees(np.arccos((np.trace(between) - 1) / 2)) == pytest.approx(40, abs=0.5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda asf, amc: (asf, amc.replace("lradius 6", "lradius x6", 1)), "line 15: 'x60' stands where a number belongs"),
        (lambda asf, amc: (asf, amc.replace("lwrist 0.5", "lwrist 0.5 0.5", 1)), "lwrist has 2 values, expected 1"),
        (lambda asf, amc: (asf, amc.replace("lwrist 0.5\n", "", 1)), "line 3: the frame that starts here lacks lwrist"),
        (lambda asf, amc: (asf, amc.replace("lwrist", "ltentacle", 1)), "'ltentacle' is no moving bone of the skeleton"),
        (lambda asf, amc: (asf, amc[: amc.rindex("rwrist")]), "is the file cut off"),
        (lambda asf, amc: (asf.replace("dof rx\n", "dof rq\n", 1), amc), "01.asf, line "),
        (lambda asf, amc: (asf[: asf.index(":hierarchy")], amc), "no section :hierarchy"),
        (lambda asf, amc: (asf.replace("length 0.45", "length 0"), amc), "unit of length is 0"),
        (lambda asf, amc: ("", amc), "01.asf: no section"),
    ],
)
def test_damaged_files_are_one_line_that_names_file_and_line(tmp_path: Path, change, said: str) -> None:
    asf, amc = change(asf_text(), amc_text())
    (tmp_path / "01.asf").write_text(asf)
    (tmp_path / "01_01.amc").write_text(amc)
    (row,) = asf_amc.pose_clips(tmp_path, asf_amc.Options())
    assert isinstance(row, Rejected)
    assert row.reason.startswith("01_01.amc")
    assert said in row.reason


def test_a_motion_without_a_skeleton_and_a_folder_without_motions_are_named(tmp_path: Path) -> None:
    (tmp_path / "07_01.amc").write_text(amc_text())
    (row,) = asf_amc.pose_clips(tmp_path, asf_amc.Options())
    assert isinstance(row, Rejected)
    assert "07_01.amc: no skeleton for it: expected 07.asf" in row.reason
    (tmp_path / "07_01.amc").unlink()
    with pytest.raises(InputError, match=r"no \.amc file in it"):
        list(asf_amc.pose_clips(tmp_path, asf_amc.Options()))
    (tmp_path / "t.csv").write_text("name,words\na,b\n")
    with pytest.raises(InputError, match="expected a header with trial and text"):
        list(asf_amc.pose_clips(tmp_path, asf_amc.Options(texts=tmp_path / "t.csv")))


@pytest.mark.parametrize("skeleton", ["deg", "rad"])
def test_a_motion_whose_unit_is_not_its_skeletons_is_refused(tmp_path: Path, skeleton: str) -> None:
    own, other = ("DEGREES", "RADIANS") if skeleton == "deg" else ("RADIANS", "DEGREES")
    read = read_skeleton(asf_text().replace("angle deg", f"angle {skeleton}").encode(), "a.asf")
    read_motion(amc_text().replace("DEGREES", own).encode(), read, "a.amc")
    with pytest.raises(InputError, match=rf"a\.amc, line 2: says :{other}, but its skeleton says {own.lower()}"):
        read_motion(amc_text().replace("DEGREES", other).encode(), read, "a.amc")
