"""Config of `m3n simulate`: virtual sensors, where they sit, and calibration towards real ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from m3n.config.base import AnyPlacements, Count, Options, Positive, Share, as_names
from m3n.errors import nearest
from m3n.schema import BODY_JOINTS, SMPL_JOINTS, check_own_placement, check_placements


def _body_joint(name: str) -> str:
    known = SMPL_JOINTS[:BODY_JOINTS]
    if name not in known:
        raise ValueError(f"unknown joint '{name}'{nearest(name, known)}; expected one of {', '.join(known)}")
    return name


BodyJoint = Annotated[str, AfterValidator(_body_joint)]


Vector = tuple[float, float, float]


class Site(Options):
    """A placement: a point that is fixed to a bone, and the directions of the sensor's axes there.

    Vectors are in the bone's rest frame, that of the body in T-pose: x to the body's left, y up, z forward. The point is one of
    three: `offset_m` from the joint, a skin `vertex`, or the skin `towards` a direction. Seen from an offset or a vertex, the
    sensor's axes are those of the rest frame; on the skin towards a direction, x runs along the bone to the joint `end` (up where
    there is none), z out of the skin and y = z × x, as of m3n's own placements. `rotation_deg` then turns the sensor.
    """

    joint: BodyJoint = Field(description="joint that carries the bone: left_elbow carries the left forearm")
    offset_m: Vector | None = Field(None, description="point: from the joint, in the bone's rest frame [m]")
    vertex: Annotated[int, Field(ge=0)] | None = Field(None, description="point: a vertex of the body model's mesh")
    towards: Vector | None = Field(None, description="point: the skin in this direction from the bone, in its rest frame")
    end: BodyJoint | None = Field(
        None, description="with towards: joint at the bone's far end; null: the bone runs straight up"
    )
    from_end_m: float | None = Field(
        None,
        description="with towards: distance from `end` back to the point [m]; null: half-way, or at the joint without `end`",
    )
    above_m: float | None = Field(None, description="with towards and no end: distance of the point above the joint [m]")
    rotation_deg: Vector = Field((0.0, 0.0, 0.0), description="mounting: rotation vector about the sensor's own axes [deg]")

    @model_validator(mode="after")
    def _one_point(self) -> Site:
        given = [name for name in ("offset_m", "vertex", "towards") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of offset_m, vertex and towards, found {' and '.join(given) or 'none'}")
        if self.towards is None and (self.end, self.from_end_m, self.above_m) != (None, None, None):
            raise ValueError(
                "end, from_end_m and above_m say where the skin `towards` a direction is searched: give towards too"
            )
        if self.from_end_m is not None and self.end is None:
            raise ValueError("from_end_m is a distance from the joint `end`: give end too")
        if self.above_m is not None and self.end is not None:
            raise ValueError("above_m is for a bone without `end`: give from_end_m instead")
        if self.end == self.joint:
            raise ValueError(f"end is the joint '{self.joint}' itself: expected the joint at the bone's far end")
        if self.towards is not None and (self.towards == (0, 0, 0) or (self.end is None and self.towards[::2] == (0, 0))):
            raise ValueError(f"towards is {list(self.towards)}: expected a direction across the bone")
        return self


class CalibrateConfig(Options):
    """Simulated signals brought to the distribution of real, unlabelled ones."""

    recordings: str | None = Field(None, description="table of real recordings to calibrate towards; null: no calibration")
    subjects: list[str] | None = Field(None, description="subjects whose recordings are used: training subjects only")
    exclude_subjects: list[str] | None = Field(
        None, description="or: the subjects whose recordings are not used (those held out downstream); [] uses all"
    )
    placements: AnyPlacements | None = Field(None, description="placements to calibrate; null: all that are simulated")
    clips: Count = Field(500, description="clips drawn to learn the simulated distribution")
    samples: Count = Field(200_000, description="samples drawn per placement, simulated and real")
    quantiles: Annotated[int, Field(ge=2)] = Field(1001, description="quantiles that hold a channel's distribution")

    @field_validator("subjects", "exclude_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _subjects_are_chosen(self) -> CalibrateConfig:
        if self.recordings is not None and (self.subjects is None) == (self.exclude_subjects is None):
            raise ValueError(
                "recordings of held-out subjects must not be used: give one of calibrate.subjects and calibrate.exclude_subjects"
            )
        return self


class SimulateConfig(Options):
    """Virtual IMUs over pose clips."""

    placements: list[str] = Field(
        ["left_wrist", "right_wrist"], description="sensor placements to simulate: m3n's own, and those of `sites`"
    )
    sites: dict[str, Site] = Field({}, description="placements of your own, by name; columns are imu_<name>")
    rate_hz: Positive = Field(60.0, description="sampling rate of the virtual sensors [Hz]")
    method: Literal["spline", "finite_differences"] = Field(
        "spline",
        description="derivatives: exact, of splines; or differences of frames, as the field's scripts do, to compare with",
    )
    cutoff_hz: Positive | Literal["source", "none"] = Field(
        "source", description="cut-off of the zero-lag low pass over the motion [Hz]; 'source': the pose source's own; 'none'"
    )
    sensor: Literal["ideal", "mpu9250", "bmi160", "lsm6dso", "tsnd151"] = Field("ideal", description="errors of a real part")
    randomise: bool = Field(
        False, description="another body, tempo, part and way of wearing for every clip; `sensor` is ignored"
    )
    calibrate: CalibrateConfig = CalibrateConfig()
    seed: int = Field(0, ge=0, description="seed of the sensor errors, the worlds and the calibration's draws")
    workers: Count | Literal["auto"] = Field(
        "auto",
        description="simulating processes, on Ray; auto: this process, and one per CPU once they save more than they take to start",
    )
    max_rejected: Share = Field(0.05, description="largest share of clips that may go to quarantine before simulate fails")

    @model_validator(mode="after")
    def _known_placements(self) -> SimulateConfig:
        for name in self.sites:
            check_own_placement(name)
        check_placements(self.placements, self.sites)
        if self.calibrate.placements is not None:
            for name in set(self.calibrate.placements) - set(self.placements):
                raise ValueError(f"calibrate.placements names '{name}', which is not simulated: add it to placements")
        return self
