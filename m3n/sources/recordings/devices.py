"""What loggers call their columns, in which units, and with which sign: `device=` of `m3n ingest recordings`.

A `Device` is data. Its `parts` are the files that hold a recording, each with alternatives of columns, the first that a file
has being taken. Acceleration that lacks gravity has the columns of gravity beside it, which are added. Apple's Core Motion
reads -1 g along the axis that points up, so its `sign` is -1. Sources: the makers' documentation of their exports; where
versions differ, each form is an alternative.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def xyz(pattern: str, axes: str = "xyz") -> list[str]:
    """Names of three columns: `gF{}` of gFx, gFy, gFz."""
    return [pattern.format(axis) for axis in axes]


@dataclass(frozen=True, eq=False)
class Columns:
    """Three columns, what they are in (the names of `unit_checks`), and those of gravity that have to be added to acceleration."""

    names: list[str]
    unit: str
    gravity: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Part:
    """A file of a recording: its name (a regular expression for the end of its path), and what may be in it."""

    file: str
    acc: tuple[Columns, ...] = ()
    gyro: tuple[Columns, ...] = ()
    gravity_file: str = ""  # of a file with gravity alone, to be added
    time: tuple[str, ...] = ("time",)
    time_unit: str | None = None


@dataclass(frozen=True, eq=False)
class Device:
    """A logger: one file a recording (`settings` of the table reader apply to it), or several `parts` that are joined by time."""

    help: str
    parts: tuple[Part, ...]
    sign: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)
    joined: bool = False


_G, _MS2 = "g", "m/s2"
DEVICES: dict[str, Device] = {
    "sensor_logger": Device(
        "Sensor Logger: a folder (or zip) per recording, of a phone (Accelerometer.csv and Gravity.csv, or TotalAcceleration.csv; "
        "Gyroscope.csv) or an Apple Watch (WristMotion.csv)",
        (
            Part(r"WristMotion\.csv", (Columns(xyz("acceleration{}", "XYZ"), _G, xyz("gravity{}", "XYZ")),),
                 (Columns(xyz("rotationRate{}", "XYZ"), "rad/s"),), time_unit="ns"),
            Part(r"TotalAcceleration\.csv", (Columns(xyz("{}"), _MS2),), time_unit="ns"),
            Part(r"Accelerometer\.csv", (Columns(xyz("{}"), _MS2),), gravity_file=r"Gravity\.csv", time_unit="ns"),
            Part(r"Gyroscope\.csv", (), (Columns(xyz("{}"), "rad/s"),), time_unit="ns"),
        ),
        joined=True,
    ),
    "sensorlog": Device(
        "SensorLog (iPhone, Apple Watch): one CSV per recording",
        (
            Part(
                r"\.csv",
                (Columns(xyz("accelerometerAcceleration{}(G)", "XYZ"), _G),
                 Columns(xyz("motionUserAcceleration{}(G)", "XYZ"), _G, xyz("motionGravity{}(G)", "XYZ"))),
                (Columns(xyz("motionRotationRate{}(rad/s)", "XYZ"), "rad/s"),
                 Columns(xyz("gyroRotation{}(rad/s)", "XYZ"), "rad/s")),
                time=("loggingTime(txt)", "accelerometerTimestamp_sinceReboot(s)", "motionTimestamp_sinceReboot(s)"),
            ),
        ),
        sign=-1.0,
    ),
    "phyphox": Device(
        "phyphox: a folder (or zip) per recording with its CSV files (acceleration with g, gyroscope), or one CSV of both",
        (
            Part(r"(?:Accelerometer|Acceleration|Raw ?Data)\.csv",
                 (Columns(xyz("Acceleration {} (m/s^2)"), _MS2), Columns(xyz("{} (m/s^2)", "XYZ"), _MS2)),
                 (Columns(xyz("Gyroscope {} (rad/s)"), "rad/s"),), time=("Time (s)", "t (s)")),
            Part(r"Gyroscope\.csv", (),
                 (Columns(xyz("Gyroscope {} (rad/s)"), "rad/s"), Columns(xyz("{} (rad/s)", "XYZ"), "rad/s")),
                 time=("Time (s)", "t (s)")),
        ),
        joined=True,
    ),
    "physics_toolbox": Device(
        "Physics Toolbox Sensor Suite (Android): columns gFx (g-force) and wx",
        (Part(r"\.csv", (Columns(xyz("gF{}"), _G),), (Columns(xyz("w{}"), "rad/s"),)),),
    ),
    "androsensor": Device(
        "AndroSensor: one CSV per recording",
        (Part(r"\.csv", (Columns(xyz("ACCELEROMETER {} (m/s²)", "XYZ"), _MS2),),
              (Columns(xyz("GYROSCOPE {} (rad/s)", "XYZ"), "rad/s"),), time=("Time since start in ms",), time_unit="ms"),),
    ),
    "empatica": Device(
        "Empatica E4: a folder (or zip) per recording with ACC.csv (start, rate, then counts of 1/64 g)", (Part(r"ACC\.csv"),),
        joined=True,
    ),
    "geneactiv": Device(
        "GENEActiv CSV: 100 lines about the device, then time, x, y, z in g",
        (Part(r"\.csv", (Columns(["x", "y", "z"], _G),)),),
        settings={"names": ["time", "x", "y", "z", "light", "button", "temperature"]},
    ),
    "actigraph": Device(
        "ActiGraph raw CSV (GT3X, GT9X with IMU): its rate is in the first line, or it has time stamps",
        (Part(r"\.csv", (Columns(xyz("Accelerometer {}", "XYZ"), _G),), (Columns(xyz("Gyroscope {}", "XYZ"), "deg/s"),),
              time=("Timestamp",)),),
    ),
    "axivity": Device(
        "Axivity AX3 and AX6: CSV of OmGui or omconvert",
        (Part(r"\.csv", (Columns(xyz("Accel-{} (g)", "XYZ"), _G), Columns(xyz("{}"), _G)),
              (Columns(xyz("Gyro-{} (d/s)", "XYZ"), "deg/s"), Columns(xyz("g{}"), "deg/s"))),),
    ),
    "dot": Device(
        "Xsens DOT and Movella DOT: CSV with Acc_X and Gyr_X, in m/s² and deg/s",
        (Part(r"\.csv", (Columns(xyz("Acc_{}", "XYZ"), _MS2),), (Columns(xyz("Gyr_{}", "XYZ"), "deg/s"),),
              time=("SampleTimeFine",), time_unit="us"),),
    ),
    "xsens": Device(
        "Xsens MT Manager: text export with Acc_X and Gyr_X, in m/s² and rad/s; packets are counted",
        (Part(r"\.(?:txt|csv)", (Columns(xyz("Acc_{}", "XYZ"), _MS2),), (Columns(xyz("Gyr_{}", "XYZ"), "rad/s"),),
              time=("PacketCounter",)),),
        joined=True,
    ),
    "metamotion": Device(
        "MetaMotion and MetaWear (MbientLab): ..._Accelerometer_....csv and ..._Gyroscope_....csv of one recording",
        (
            Part(r"_Accelerometer_[^/]*\.csv", (Columns(xyz("{}-axis (g)"), _G),), time=("epoc (ms)", "epoch (ms)"),
                 time_unit="ms"),
            Part(r"_Gyroscope_[^/]*\.csv", (), (Columns(xyz("{}-axis (deg/s)"), "deg/s"),), time=("epoc (ms)", "epoch (ms)"),
                 time_unit="ms"),
        ),
        joined=True,
    ),
    "arduino": Device(
        "Arduino and other loggers of raw 16-bit counts: give acc_range (±g) and gyro_range (±deg/s) of the chip, or acc_scale "
        "and gyro_scale",
        (Part(r"\.(?:csv|txt)", (Columns(xyz("a{}"), _G), Columns(xyz("acc{}", "XYZ"), _G), Columns(xyz("acc_{}"), _G)),
              (Columns(xyz("g{}"), "deg/s"), Columns(xyz("gyro{}", "XYZ"), "deg/s"), Columns(xyz("gyro_{}"), "deg/s")),
              time=("time", "millis", "ms", "timestamp", "t")),),
    ),
}  # fmt: skip
