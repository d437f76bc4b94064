"""One thread for each process: the networks are small, and two workers share the machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
