"""Real pygame events, posted to a window on a screen that nobody sees."""

import numpy as np
import pygame
import pytest
from pygame.event import Event

from e2c_control.agents import E2CAgent
from e2c_control.envs import Task
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding
from e2c_control.play import Session, TaskWorld
from e2c_control.play.page import HEAD, HEIGHT, MAP_LEFT, WIDTH
from e2c_control.play.window import open_window, show
from e2c_control.play.worlds import Known

RIGHT, LEFT = {"key": pygame.K_RIGHT}, {"key": pygame.K_LEFT}
SCRIPT = (
    [Event(pygame.KEYDOWN, RIGHT)],
    [Event(pygame.KEYDOWN, LEFT), Event(pygame.KEYUP, RIGHT)],
    [Event(pygame.KEYUP, LEFT)],
    [Event(pygame.KEYDOWN, {"key": pygame.K_SPACE})],
    [Event(pygame.KEYDOWN, {"key": pygame.K_SPACE})],
    [Event(pygame.MOUSEBUTTONDOWN, {"button": 3, "pos": (MAP_LEFT + 9, HEAD + 9)})],
    [Event(pygame.MOUSEBUTTONDOWN, {"button": 1, "pos": (MAP_LEFT + 9, HEAD + 9)})],
)


class Watched(Session):
    """Posts the events of one more step each time that the window asks for a frame, and notes what they led to."""

    def __init__(self, *arguments: object, ending: Event) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.seen: list[tuple[str, tuple[int, int], bool]] = []
        self._script = [*SCRIPT, [ending]]

    def frame(self):
        self.seen.append((self.driver, (self._held.right, self._held.down), self.paused))
        for event in self._script.pop(0) if self._script else ():
            pygame.event.post(event)
        return super().frame()


@pytest.mark.parametrize("ending", [Event(pygame.QUIT), Event(pygame.KEYDOWN, {"key": pygame.K_q})])
def test_keys_and_clicks(located: Embedding, plane: Task, monkeypatch: pytest.MonkeyPatch, ending: Event) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.quit()
    open_window()
    assert pygame.display.get_surface().get_size() == (WIDTH, HEIGHT)
    states = plane.system.sample_states(30, np.random.default_rng(0))
    world = TaskWorld(plane, Known.of_task(plane, plane.observe_at_rest(states), states), seed=0)
    world.frames_per_second = 1000
    session = Watched(E2CAgent.from_embedding(located), world, ending=ending)
    goal = world.goal
    show(session)
    assert session.finished
    assert not pygame.display.get_init()
    assert session.seen[:8] == [
        ("agent", (0, 0), False),
        ("person", (1, 0), False),
        ("person", (-1, 0), False),
        ("person", (0, 0), False),
        ("person", (0, 0), True),
        ("person", (0, 0), False),
        ("person", (0, 0), False),  # the right button means nothing
        ("agent", (0, 0), False),
    ]
    assert world.goal is not goal


@pytest.mark.parametrize("display", [None, ":98765"])
def test_no_screen(monkeypatch: pytest.MonkeyPatch, display: str | None) -> None:
    pygame.display.quit()
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:  # which nobody serves
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(InputError, match=r"no screen .* --video FILE\.$"):
        open_window()
    pygame.display.quit()
