"""Controlled systems as Gymnasium environments.

Importing this package registers the environments (`task_ids`) and imports neither torch nor pygame.
"""

from e2c_control.envs.page import task_page
from e2c_control.envs.registry import make_task, register_all, register_task, task_ids
from e2c_control.envs.system import System
from e2c_control.envs.task import Problem, Task

__all__ = ["Problem", "System", "Task", "make_task", "register_task", "task_ids", "task_page"]

register_all()
