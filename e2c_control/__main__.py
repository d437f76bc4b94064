"""`python -m e2c_control` is `e2c`."""

from e2c_control.cli import main

raise SystemExit(main())
