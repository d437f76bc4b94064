"""The same function for many jobs: in processes of this machine, or on a Ray cluster that is there already."""
