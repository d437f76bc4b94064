"""A person and an agent at the same controls: worlds to play in, and a session that turns events into frames."""

from e2c_control.play.session import Click, Press, Session, Steer
from e2c_control.play.worlds import Goal, GymWorld, Known, TaskWorld, World

__all__ = ["Click", "Goal", "GymWorld", "Known", "Press", "Session", "Steer", "TaskWorld", "World"]
