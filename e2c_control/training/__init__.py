"""Training: the core loop, and a run around it with logs, checkpoints and resume."""
