"""A sweep as a Ray job; see README.md beside this file.

ray job submit --working-dir . -- python ray_jobs/sweep.py --config configs/sweeps/FILE.yaml
"""

import sys

from ganntk.cli import main

# In a job the cluster is there already; an address given on the command line comes later and wins.
sys.exit(main(["sweep", *sys.argv[1:3], "--address", "auto", *sys.argv[3:]]))
