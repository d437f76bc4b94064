"""The benchmark: worlds x recipes x seeds, each trained, driven through the protocol's problems, and compared."""
