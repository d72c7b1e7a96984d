"""``python -m ganntk``: the same as the command ``ganntk``."""

import sys

from ganntk.cli import main

sys.exit(main())
