"""Numbers about a trained embedding: the quality of its map, and how well it controls."""
