"""The benchmark: worlds x recipes x seeds, each trained, driven through the protocol's problems, and compared."""

from e2c_control.benchmark.worlds import World

__all__ = ["World"]
