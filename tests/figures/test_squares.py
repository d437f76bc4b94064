"""Pictures of any proportions in squares: nothing is stretched."""

import numpy as np
import pytest

from e2c_control.figures.squares import in_square

PAPER = (250, 250, 250)


@pytest.mark.parametrize(("height", "width"), [(4, 8), (8, 4), (6, 6), (40, 20), (1, 90)])
@pytest.mark.parametrize("channels", [1, 3])
def test_proportions_stay(height: int, width: int, channels: int) -> None:
    seen = np.array(in_square(np.zeros((height, width, channels), np.uint8), 24, PAPER))
    assert seen.shape == (24, 24, 3)
    drawn = (seen == 0).all(-1)
    rows, columns = drawn.any(1).sum(), drawn.any(0).sum()
    assert max(rows, columns) == 24
    assert rows == pytest.approx(24 * height / max(height, width), abs=1)
    assert columns == pytest.approx(24 * width / max(height, width), abs=1)
    assert drawn.sum() == rows * columns
    assert (seen[~drawn] == PAPER).all()
