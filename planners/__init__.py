"""Trajectory optimisers over any dynamics."""
