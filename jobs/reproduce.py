r"""`m3n reproduce` as a Ray job: pretraining against training from scratch, on a dataset's own protocol, as a grid of Ray tasks.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/reproduce.py utd_mhad --data /mnt/m3n/utd_mhad.zip --out /mnt/m3n/reproduce workers=16

The job runs the code of the working directory. Its data is not uploaded: give absolute paths that every node can read.
The exit status is the command's: 0, 2 for bad input, 1 for anything else. From an installed wheel: `python -m m3n.jobs.reproduce`.
"""

from m3n.cli import entry

entry("reproduce")
