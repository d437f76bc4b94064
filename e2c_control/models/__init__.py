"""The networks of an embedding, and the Gaussians between them."""
