"""What every test of estimators starts from."""

import pytest
import torch


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
