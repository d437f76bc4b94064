"""A session in a pygame window: its events become the session's, the session's frames what is shown."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np

from e2c_control.errors import InputError
from e2c_control.play.page import HEIGHT, WIDTH
from e2c_control.play.session import Click, Event, Press, Session, Steer

if TYPE_CHECKING:
    from pygame.event import Event as PygameEvent

NO_SCREEN = "There is no screen to open a window on: film a drive instead, with --video FILE."


def open_window() -> None:
    """Open an empty window; do it before long work, so that a missing screen is told first.

    Raises:
        InputError: there is no screen.
    """
    asked = os.environ.get("SDL_VIDEODRIVER")
    # Without a display server SDL complains on stderr, and then draws where nobody looks.
    if sys.platform == "linux" and not (asked or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(NO_SCREEN)
    import pygame

    try:
        pygame.display.init()
        pygame.display.set_caption("e2c play")
        pygame.display.set_mode((WIDTH, HEIGHT))
    except pygame.error as error:
        raise InputError(NO_SCREEN) from error
    if pygame.display.get_driver() == "offscreen" and asked is None:
        raise InputError(NO_SCREEN)


def show(session: Session) -> None:
    """Play in the open window until it is closed or Q or Escape is pressed."""
    import pygame

    clock, keys, window = pygame.time.Clock(), Keys(), pygame.display.get_surface()
    try:
        while not session.finished:
            for happened in pygame.event.get():
                event = keys.event(happened)
                if event is not None:
                    session.handle(event)
            session.advance()
            pygame.surfarray.blit_array(window, np.swapaxes(session.frame(), 0, 1))
            pygame.display.flip()
            clock.tick(session.world.frames_per_second)
    finally:
        pygame.display.quit()


class Keys:
    """What keys and clicks mean, and which arrows are held."""

    def __init__(self) -> None:
        import pygame

        self._held: set[int] = set()
        self._arrows = {
            pygame.K_RIGHT: (1, 0),
            pygame.K_LEFT: (-1, 0),
            pygame.K_DOWN: (0, 1),
            pygame.K_UP: (0, -1),
        }
        self._presses = {
            pygame.K_RETURN: Press("agent"),
            pygame.K_SPACE: Press("pause"),
            pygame.K_r: Press("reset"),
            pygame.K_n: Press("goal"),
            pygame.K_q: Press("quit"),
            pygame.K_ESCAPE: Press("quit"),
        }

    def event(self, happened: PygameEvent) -> Event | None:
        """Return the session's event, if it is one."""
        import pygame

        match happened.type:
            case pygame.QUIT:
                return Press("quit")
            case pygame.MOUSEBUTTONDOWN if happened.button == pygame.BUTTON_LEFT:
                return Click(*happened.pos)
            case pygame.KEYDOWN if happened.key in self._arrows:
                self._held.add(happened.key)
                return self._steer()
            case pygame.KEYUP if happened.key in self._held:
                self._held.remove(happened.key)
                return self._steer()
            case pygame.KEYDOWN:
                return self._presses.get(happened.key)
            case _:
                return None

    def _steer(self) -> Steer:
        right, down = (sum(self._arrows[key][axis] for key in self._held) for axis in (0, 1))
        return Steer(right, down)
