"""CPU threads of torch, for as long as they are wanted."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def threads(count: int | None) -> Generator[None]:
    """Use that many CPU threads inside, or torch's own number, and the caller's number again afterwards."""
    import torch  # here, because it takes seconds to import

    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
