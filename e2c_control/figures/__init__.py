"""Pictures: the latent map, reconstructions and predictions, planned and driven paths."""
