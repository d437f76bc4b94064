"""Things that act: learn, predict, save, load."""
