"""The names that users choose from, each with one line of help: a table for each kind of component.

Configs, `--help`, search spaces, benchmarks and tests read these tables, so a new component takes two files: its module and this
one. Nothing is imported, so `--help` stays quick and a bare machine can read the tables.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Loss(NamedTuple):
    """A pretraining loss of `m3n.losses`: its default weight, and whether it compares windows of real recordings only."""

    weight: float
    help: str
    recordings_only: bool = False


LOSSES: dict[str, Loss] = {
    "text_imu": Loss(1.0, "contrastive loss between text and IMU"),
    "text_pose": Loss(0.5, "contrastive loss between text and pose"),
    "imu_pose": Loss(1.0, "contrastive loss between IMU and pose"),
    "left_right": Loss(0.25, "contrastive loss between the left and the right wrist"),
    "pose2imu": Loss(3.0, "IMU signal predicted from the pose (mean squared error of normalised samples)"),
    "reconstruction": Loss(1.0, "IMU signal reconstructed from its own features (mean squared error of normalised samples)"),
    "two_views": Loss(
        0.25,
        "contrastive loss between two augmented views of a window; needs --recordings, whose windows alone it compares",
        True,
    ),
}
CONTRASTIVE_LOSSES: dict[str, str] = {
    "infonce": "softmax over the batch, as in CLIP",
    "siglip": "sigmoid of every pair, as in SigLIP",
}
IMU_ENCODERS: dict[str, str] = {
    "conv_transformer": "convolutions, then a transformer",
    "residual_cnn": "convolutions with residual connections",
    "conv_lstm": "convolutions, then an LSTM, after DeepConvLSTM",
    "attend_discriminate": "convolutions, attention across channels, then a GRU: the authors' encoder",
}
POSE_ENCODERS: dict[str, str] = {
    "joint_transformer": "a transformer across joints, then one over time",
}
HEADS: dict[str, str] = {
    "linear": "one linear layer",
    "mlp": "one hidden layer",
    "attention": "attention pooling over time, learned for these classes",
    "experts": "a balanced mixture of experts",
    "text": "cosine similarity with the classes' sentences in the pretrained joint embedding: training starts from zero-shot "
    "classification",
}


class FreezeStrategy(NamedTuple):
    """What learns in fine-tuning: rules of `m3n.freeze`, and the names of the options that they read."""

    help: str
    options: tuple[str, ...] = ()
    encoder_learns: bool = True


class FreezeOption(NamedTuple):
    """A number below `freeze_options`: what is allowed (`limits`, as pydantic's Field has them) and what a search tries."""

    default: float
    limits: dict[str, Any]
    search: tuple[float, float]
    help: str
    log: bool = False

    def suggest(self, trial: Any, key: str) -> None:
        """Draw a value with Optuna's `trial`."""
        suggest = trial.suggest_int if isinstance(self.default, int) else trial.suggest_float
        suggest(key, *self.search, **({"log": True} if self.log else {}))


FREEZE_STRATEGIES: dict[str, FreezeStrategy] = {
    "not_frozen": FreezeStrategy("the whole network learns"),
    "frozen": FreezeStrategy(
        "the encoder stays as it was pretrained; with a linear head, a linear probe", encoder_learns=False
    ),
    "first_k": FreezeStrategy("the lowest blocks of the encoder stay frozen", ("first",)),
    "gradual": FreezeStrategy("blocks of the encoder start to learn one after the other, from the top", ("probe",)),
    "lp_ft": FreezeStrategy("first a linear probe, then the whole network learns", ("probe",)),
    "layer_decay": FreezeStrategy("lower blocks of the encoder learn more slowly", ("decay",)),
    "adapters": FreezeStrategy("only low-rank changes of the encoder's weights learn (LoRA)", ("rank",)),
}
FREEZE_OPTIONS: dict[str, FreezeOption] = {
    "first": FreezeOption(2, {"ge": 1}, (1, 4), "first_k: number of frozen blocks, counted from the sensor"),
    "probe": FreezeOption(
        0.3,
        {"gt": 0, "lt": 1},
        (0.1, 0.6),
        "lp_ft: share of the training before the encoder starts to learn; gradual: before its lowest block does",
    ),
    "decay": FreezeOption(
        0.75, {"gt": 0, "le": 1}, (0.4, 0.95), "layer_decay: factor of the learning rate from one block to the next lower one"
    ),
    "rank": FreezeOption(8, {"ge": 1}, (2, 16), "adapters: rank of the change of a weight", log=True),
}


CO_TRAINED = "co_trained"  # learns from synthetic clips, but from no checkpoint
AS_SET = "as_set"  # the start is what was given
AUTO = "auto"  # the start is decided on the labelled training people
STARTS: dict[str, str] = {
    AUTO: "the one below that scores best on held-out training people; with few labels or people, the first of rehearsed, "
    "pretrained, co_trained and scratch that --checkpoint and --clips allow",
    "scratch": "random weights",
    "pretrained": "the checkpoint",
    "rehearsed": "the checkpoint, with synthetic clips in every batch",
    CO_TRAINED: "random weights, with synthetic clips in every batch",
    AS_SET: "what --checkpoint and `rehearse` say, undecided; implied where `freeze` or `rehearse` is given and `start` is not",
}


class Method(NamedTuple):
    """A row of the table of `m3n reproduce`, and the settings of the fine-tuning that make it."""

    help: str
    settings: dict[str, Any]


BASELINES: dict[str, Method] = {  # no pretraining
    "scratch": Method("the same network, from random weights", {"head": "linear"}),
    "deepconvlstm": Method("DeepConvLSTM, from random weights", {"head": "linear", "model.imu_encoder": "conv_lstm"}),
    "random_forest": Method("random forest on statistics of the windows", {}),
    "minirocket": Method("MiniRocket with a ridge classifier", {}),
}
PRETRAINED: dict[str, Method] = {
    "zero_shot": Method("class sentences only, no real label", {"head": "text"}),
    **{
        name: Method(FREEZE_STRATEGIES[name].help, {"freeze": name})
        for name in sorted(FREEZE_STRATEGIES, key=lambda name: name != "frozen")  # first what learns least
    },
    "not_frozen_linear": Method(
        "the whole network learns, under a linear head with random weights", {"freeze": "not_frozen", "head": "linear"}
    ),
    "paper": Method("the authors' settings of pretraining and fine-tuning, not frozen", {"head": "linear"}),
}
METHODS: dict[str, Method] = {
    **BASELINES,
    **PRETRAINED,
    CO_TRAINED: Method("random weights, trained on the labels and the synthetic clips together", {"head": "linear"}),
    AUTO: Method("scratch, pretrained, rehearsed or co_trained, decided on the labelled training people", {"start": AUTO}),
}


ABLATIONS: dict[str, str] = {
    "class_sketches": "sketches of the dataset's own classes",
    "other_sketches": "sketches of other activities",
    "recordings": "real recordings of the other datasets",
    "mocap": "poses of real people",
    "axes": "turning the sensors' axes into m3n's frame",
}


class Source(NamedTuple):
    """A format that `m3n ingest` reads: the folder of its module below `m3n.sources`, and what its poses come from.

    `poses_from` decides the low pass before simulation (`m3n.imu.smoothing.LOW_PASSES`); None where there are no poses.
    """

    folder: str
    help: str
    poses_from: str | None = None


SKETCH = "sketch"  # the source of clips that show no real person
SOURCES: dict[str, Source] = {
    "choreography": Source("poses", "pose clips of arm movements authored by formula (no file needed)", "formula"),
    SKETCH: Source(
        "poses", "pose clips of activities written down in YAML: `m3n ingest sketch moves.yaml` (docs/sketches.md)", "formula"
    ),
    "seglearn_watch": Source(
        "recordings", "smartwatch recordings of seven shoulder exercises, from the package seglearn (no file needed)"
    ),
    "utd_mhad": Source("paired", "UTD-MHAD zip: Kinect skeletons and the wearable IMU", "depth_camera"),
    "recordings": Source(
        "recordings", "your own recordings: a CSV or Parquet file with one row per sample, or a folder of them"
    ),
    "whar": Source(
        "recordings", "the cache of the package whar-datasets: 37 public datasets (channels of those with a wrist are known)"
    ),
    "windows": Source("recordings", "windows that are already cut: npz file with X, y and subject"),
    "pamap2": Source("recordings", "PAMAP2 zip: 18 activities, an IMU on the dominant wrist"),
    "wisdm_watch": Source("recordings", "WISDM 2019 zip: 18 activities, a smartwatch on the dominant wrist"),
    "dsads": Source("recordings", "DSADS zip: 19 daily and sports activities, an IMU on each wrist"),
    "wear": Source("recordings", "WEAR zip or folder: 18 outdoor workouts, an accelerometer on each wrist and ankle"),
    "mhealth": Source("recordings", "mHealth zip: 12 activities, an accelerometer on the right wrist and the left ankle"),
    "opportunity": Source("recordings", "OPPORTUNITY zip: gestures in a kitchen, an IMU on each lower arm"),
    "hhar": Source("recordings", "HHAR zip or folder: six activities, four smartwatches on the arms"),
    "realworld": Source("recordings", "RealWorld zip or folder: eight activities, a smartwatch on the forearm"),
    "openpack": Source("recordings", "OpenPack zip: packing work, an IMU on each wrist"),
    "geotec_watch": Source("recordings", "GeoTec's smartwatch zip: sitting, standing up, walking, turning, sitting down"),
    "mmfit": Source("recordings", "MM-Fit zip: gym exercises, a smartwatch on each wrist"),
    "amass": Source("poses", "AMASS npz file, or a folder of them", "optical"),
    "joints": Source(
        "poses",
        "3-D joints of any skeleton with SMPL, Kinect, MediaPipe or BVH names: npz, npy, JSON, CSV, NTU skeleton, or a folder",
        "video",
    ),
    "aistpp": Source("poses", "AIST++ pickle (dances, SMPL), or a folder of them", "video"),
    "trc": Source("poses", "TRC file of markers or joints (OpenCap, Pose2Sim, OpenSim), or a folder of them", "optical"),
    "c3d": Source("poses", "C3D file of optical markers, or a folder of them; needs the extra `c3d`", "optical"),
    "mvnx": Source("poses", "MVNX file of Xsens MVN, or a folder of them", "optical"),
    "smpl_pickle": Source("poses", "SMPL in pickles of 3DPW's or EMDB's layout, or a folder of them", "optical"),
    "video": Source("poses", "videos of people, one person or several: a file, or a folder of them (docs/video.md)", "video"),
    "asf_amc": Source("poses", "CMU motion capture: folder or zip of ASF skeletons and AMC motions", "optical"),
    "bvh": Source("poses", "BVH motion capture file, or a folder of them", "optical"),
    "bandai_namco": Source("poses", "Bandai Namco Research Motion Dataset zip: studio motion capture", "optical"),
    "ui_prmd": Source("poses", "UI-PRMD zip: optical markers of ten rehabilitation exercises", "optical"),
    "msr_action3d": Source("poses", "MSR Action3D zip: skeletons of a depth camera", "depth_camera"),
    "smplx_npz": Source(
        "poses",
        "SMPL-X npz or pickle with How2Sign's keys, camera frame: a file per clip, a folder of them, or a file per frame",
        "video",
    ),
    "wham": Source("poses", "WHAM's wham_output.pkl (video pose estimator)", "video"),
    "gvhmr": Source("poses", "GVHMR's hmr4d_results.pt (video pose estimator)", "video"),
    "hmr4d": Source("poses", "4DHumans' / PHALP's pickle (video pose estimator)", "video"),
    "romp": Source("poses", "ROMP's or BEV's video_results.npz, or a folder of npz per image (video pose estimator)", "video"),
    "glamr": Source("poses", "GLAMR's pickle (video pose estimator)", "video"),
}
