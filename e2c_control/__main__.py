"""`python -m e2c_control` is `e2c`."""

import os
import sys

from e2c_control.cli import main

code = main()
if "TORCHELASTIC_RUN_ID" in os.environ:
    # Started by torchrun: all is written by now, and threads of gloo abort an orderly end of Python now and then,
    # which torchrun would take for a failure of the job.
    sys.stderr.flush()
    os._exit(code)
sys.exit(code)
