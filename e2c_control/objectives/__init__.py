"""What an embedding is trained to do: terms, objectives, recipes."""
