"""A session of play: events in, frames out. It knows no window, so that it can be tested and filmed without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents.e2c_agent import E2CAgent, PlanState
from e2c_control.envs.scene import CONTROL, GOAL, STONE, Colour
from e2c_control.errors import InputError
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.measures import decode_frames, encode_means
from e2c_control.play.atlas import SIDE, Atlas
from e2c_control.play.page import Page, place
from e2c_control.play.worlds import TRAIL, Goal, World

Array = NDArray[np.float64]
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Click:
    """At a pixel of the frame: drive there, if that can be a goal."""

    x: float
    y: float


@dataclass(frozen=True)
class Steer:
    """The arrow keys that are held from now on, each -1, 0 or 1: the person drives."""

    right: int
    down: int


@dataclass(frozen=True)
class Press:
    """A key: let the agent drive, stop or go on, begin anew, another goal, leave."""

    what: Literal["agent", "pause", "reset", "goal", "quit"]


Event: TypeAlias = Click | Steer | Press


class Session:
    """An agent in a world, with a person who sets goals or drives.

    Whoever drives, the agent plans from every frame, and its plan is drawn: while the person drives, it is what the
    agent would do. The same events give the same frames.

    Args:
        agent: with an embedding of the world's observations. Its goal is set here.
        world: where.
        goals: for one `Press("goal")` after another, the first one at once; beyond them, known frames are drawn.
        seed: of the drawn ones.
        run: that the agent is of: its map is drawn as in training, and "expects" only if its decoder is trained.
    """

    def __init__(
        self, agent: E2CAgent, world: World, goals: Sequence[Goal] = (), seed: int = 0, run: TrainedRun | None = None
    ) -> None:
        self.agent, self.world, self.finished = agent, world, False
        self._draws = run is None or run.draws
        known = world.known
        latents, at_rest = (encode_means(agent.embedding, images) for images in (known.observations, known.at_rest))
        self.atlas = Atlas(latents, at_rest, known.colours, None if run is None else run.projection)
        self.driver: Literal["agent", "person"] = "agent"
        self.paused = False
        self.note = ""
        self._rng = np.random.default_rng(seed)
        self._waiting, self.given = [*goals], len(goals)
        self._held = Steer(0, 0)
        self._begin()
        self._aim(self._waiting.pop(0) if self._waiting else world.goal)

    def handle(self, event: Event) -> None:
        """Do what a person wants; what cannot be done becomes a note on the frame."""
        self.note = ""
        try:
            match event:
                case Click():
                    self._click(event)
                case Steer():
                    self.world.steered(event.right, event.down)
                    self._held, self.driver = event, "person"
                case Press():
                    self._press(event.what)
        except InputError as error:
            self.note = str(error)

    def advance(self) -> None:
        """Take one step of the world, by whoever drives."""
        if self.paused or self.finished:
            return
        held = self._held
        action = self._action if self.driver == "agent" else self.world.steered(held.right, held.down)
        if self.world.step(action):
            self._begin()
        else:
            self._look()
        self._steps += 1
        self._in_goal += bool(self.world.in_goal)
        self._plan()

    def frame(self) -> Image:
        """Return what there is to see now, (HEIGHT, WIDTH, 3) of `page`."""
        known, channels = self.world.known, self.world.known.channels
        small = {"sees": self.world.observation[..., -channels:]}
        if self._draws:
            small["expects"] = decode_frames(self.agent.embedding, self._planned[-1:], channels)[0]
        small["goal"] = self.world.goal.observation[..., -channels:]
        drawn = self.atlas.draw(self._trail, self._planned, self._goal_latent)
        return Page(
            self.world.title, known.meaning, self._who(), self._numbers(), self.note, self.world.picture(), drawn, small
        ).paint()

    def _click(self, click: Click) -> None:
        where = place(click.x, click.y)
        if where is None:
            return
        if where.panel == "world":
            goal = self.world.goal_at(where.x, where.y)
        else:
            goal = self.world.known.goal(self.atlas.nearest(where.x * SIDE, where.y * SIDE))
        self._aim(goal)

    def _press(self, what: str) -> None:
        match what:
            case "agent":
                self.driver = "agent"
            case "pause":
                self.paused = not self.paused
            case "reset":
                self.world.reset()
                self._begin()
                self._plan()
            case "goal":
                drawn = int(self._rng.integers(len(self.world.known.observations)))
                self._aim(self._waiting.pop(0) if self._waiting else self.world.known.goal(drawn))
            case _:
                self.finished = True

    def _aim(self, goal: Goal) -> None:
        """Drive there from now on; a plan to another goal is no start."""
        self.world.goal, self.driver, self._state = goal, "agent", None
        self.agent.set_goal(goal.observation)
        self._goal_latent = encode_means(self.agent.embedding, goal.observation[None])[0]
        self._steps = self._in_goal = 0
        self._plan()

    def _begin(self) -> None:
        self._trail: list[Array] = []
        self._state: PlanState | None = None
        self._steps = self._in_goal = 0
        self._look()

    def _look(self) -> None:
        latent = encode_means(self.agent.embedding, self.world.observation[None])[0]
        self._trail = [*self._trail[-TRAIL:], latent]

    def _plan(self) -> None:
        self._action, self._state = self.agent.predict(self.world.observation, self._state)
        self._planned: Array = self.agent.shown(self._state)[0]

    def _who(self) -> tuple[str, Colour]:
        if self.paused:
            return "Paused", STONE
        return ("The agent drives", GOAL) if self.driver == "agent" else ("You drive", CONTROL)

    def _numbers(self) -> str:
        said = f"step {self._steps}"
        if self.world.in_goal is not None:
            said += f"    in the goal {self._in_goal} of {self._steps} steps"
        return said
