r"""`m3n predict` as a Ray job: a timeline of activities for every recording of a table.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/predict.py /mnt/m3n/recordings --checkpoint /mnt/m3n/finetune --out /mnt/m3n/timeline hop_s=1

The job runs the code of the working directory. Its data is not uploaded: give absolute paths that every node can read.
The exit status is the command's: 0, 2 for bad input, 1 for anything else. From an installed wheel: `python -m m3n.jobs.predict`.
"""

from m3n.cli import entry

entry("predict")
