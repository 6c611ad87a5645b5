r"""`m3n predict` as a Ray job: a time line of activities for every recording of a table.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/predict.py /mnt/m3n/recordings --checkpoint /mnt/m3n/finetune --out /mnt/m3n/timeline hop_s=1

It runs the code of the working directory, on the cluster that the job was given to. Data stays out of what is uploaded, so
its paths are absolute, in a folder that every node sees. Ends with the exit status of the command: 0, 2 for bad input, or 1.
"""

import sys

from m3n.cli import main

if __name__ == "__main__":
    sys.exit(main(["predict", *sys.argv[1:]]))
