r"""`m3n tune` as a Ray job: a search over pretraining settings, on Ray Tune.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/tune.py /mnt/m3n/synthetic /mnt/m3n/recordings --space loss_weights --out /mnt/m3n/tune trials=20

It runs the code of the working directory, on the cluster that the job was given to. Data stays out of what is uploaded, so
its paths are absolute, in a folder that every node sees. Ends with the exit status of the command: 0, 2 for bad input, or 1.
"""

import sys

from m3n.cli import main

if __name__ == "__main__":
    sys.exit(main(["tune", *sys.argv[1:]]))
