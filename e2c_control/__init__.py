"""Control and reinforcement learning from pixels.

Importing this package registers the Gymnasium environments (``E2C/...``) and loads neither torch nor
stable-baselines3.
"""

from pathlib import Path

__version__ = "0.1.0"

# In a checkout the sibling folders (envs, planners, agents) are not inside this one: look beside it too, so that
# `python -m e2c_control` works at the repository's root however the package is installed.
_here = Path(__file__).resolve().parent
if not (_here / "envs").is_dir() and (_here.parent / "envs" / "__init__.py").is_file():
    __path__.append(str(_here.parent))

from e2c_control import envs as envs  # noqa: E402  (registers the environments)
