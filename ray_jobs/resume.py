"""Go on with a run from its last checkpoint, as a Ray job; see README.md beside this file.

ray job submit --working-dir . -- python ray_jobs/resume.py s3://my-bucket/runs/NAME --steps 1000
"""

import sys

from ganntk.cli import main

# In a job the cluster is there already; an address given on the command line comes later and wins.
sys.exit(main(["resume", *sys.argv[1:2], "--cluster.address", "auto", *sys.argv[2:]]))
