r"""`m3n simulate` as a Ray job: virtual IMUs over a table of pose clips, on Ray Data.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/simulate.py /mnt/m3n/poses --out /mnt/m3n/synthetic rate_hz=50

The job runs the code of the working directory. Its data is not uploaded: give absolute paths that every node can read.
The exit status is the command's: 0, 2 for bad input, 1 for anything else. From an installed wheel: `python -m m3n.jobs.simulate`.
"""

from m3n.cli import entry

entry("simulate")
