r"""`m3n evaluate` as a Ray job: a pretrained checkpoint judged on subjects it was not trained on.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/evaluate.py /mnt/m3n/pretrain --clips /mnt/m3n/synthetic --recordings /mnt/m3n/recordings --out /mnt/m3n/eval

It runs the code of the working directory, on the cluster that the job was given to. Data stays out of what is uploaded, so
its paths are absolute, in a folder that every node sees. Ends with the exit status of the command: 0, 2 for bad input, or 1.
"""

import sys

from m3n.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
