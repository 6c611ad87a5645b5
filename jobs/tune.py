r"""`m3n tune` as a Ray job: a search over settings of pretraining and fine-tuning, on Ray Tune.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/tune.py /mnt/m3n/synthetic /mnt/m3n/recordings --space loss_weights --out /mnt/m3n/tune trials=20

The job runs the code of the working directory. Its data is not uploaded: give absolute paths that every node can read.
The exit status is the command's: 0, 2 for bad input, 1 for anything else. From an installed wheel: `python -m m3n.jobs.tune`.
"""

from m3n.cli import entry

entry("tune")
