"""Folders on the disk: runs, checkpoints, and how to write them so that nothing half-written has a name."""
