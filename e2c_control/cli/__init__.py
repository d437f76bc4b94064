"""The `e2c` command: builds objects from options and calls one method of theirs."""
