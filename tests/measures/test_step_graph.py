import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from e2c_control.measures.step_graph import count_steps, same_places


def test_steps_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    edges = rng.integers(0, 60, (70, 2))
    graph = coo_array((np.ones(70), (edges[:, 0], edges[:, 1])), shape=(60, 60))
    expected = shortest_path(graph, directed=False, unweighted=True)
    sources = np.array([0, 7, 59])
    np.testing.assert_array_equal(count_steps(edges, 60, sources), expected[sources])


def test_nodes_without_edges_are_out_of_reach() -> None:
    steps = count_steps(np.array([[0, 1]]), 3, np.array([0]))
    np.testing.assert_array_equal(steps, [[0.0, 1.0, np.inf]])


def everyone(n: int) -> np.ndarray:
    return ~np.eye(n, dtype=bool)


def test_the_same_image_is_the_same_place() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(20, 50)).astype(np.float32)
    images[13] = images[4]
    assert same_places(images, everyone(20), reach=1e-2).tolist() == [[4, 13]]


def test_frames_that_are_not_apart_are_not_linked() -> None:
    images = np.zeros((2, 5), np.float32)
    assert len(same_places(images, np.zeros((2, 2), bool), reach=1.0)) == 0
    assert len(same_places(images[:1], np.zeros((1, 1), bool), reach=1.0)) == 0


def test_a_frame_where_the_moving_part_is_hidden_is_no_shortcut() -> None:
    # One pixel is lit at each place, twice; the dark frame is nearer to every place than the places to each other.
    lit = np.eye(20, dtype=np.float32).repeat(4, axis=0)
    images = np.concatenate([lit, np.zeros((1, 20), np.float32)])
    pairs = same_places(images, everyone(81), reach=1.2)
    assert len(pairs) > 0
    assert 80 not in pairs
    np.testing.assert_array_equal(images[pairs[:, 0]], images[pairs[:, 1]])
