"""Gradients of expectations: what to do when f is a black box, or its argument is discrete."""

from e2c_control.gradients.arm import ARM
from e2c_control.gradients.baselines import Baseline, LeaveOneOut, Mean, MovingAverage, NoBaseline, OptimalConstant
from e2c_control.gradients.check import Check, check_unbiased
from e2c_control.gradients.concrete import Concrete
from e2c_control.gradients.disarm import DisARM
from e2c_control.gradients.estimator import Draw, Estimate, Estimator
from e2c_control.gradients.exact import exact_gradient
from e2c_control.gradients.generalised import GeneralisedReparameterisation
from e2c_control.gradients.lax import LAX
from e2c_control.gradients.muprop import MuProp
from e2c_control.gradients.nvil import NVIL
from e2c_control.gradients.rebar import REBAR
from e2c_control.gradients.registry import ESTIMATORS, estimators_for, make_estimator
from e2c_control.gradients.relax import RELAX
from e2c_control.gradients.reparameterisation import Reparameterisation
from e2c_control.gradients.rloo import RLOO
from e2c_control.gradients.score_function import ScoreFunction
from e2c_control.gradients.statistics import GradientStats, gradient_stats, stats_table
from e2c_control.gradients.straight_through import StraightThrough, StraightThroughGumbel
from e2c_control.gradients.surrogate import SurrogateNetwork
from e2c_control.gradients.toys import TOYS, Toy, make_toy
from e2c_control.gradients.training import GradientMonitor, train_estimator
from e2c_control.gradients.vimco import VIMCO

__all__ = [
    "ARM",
    "ESTIMATORS",
    "LAX",
    "NVIL",
    "REBAR",
    "RELAX",
    "RLOO",
    "TOYS",
    "VIMCO",
    "Baseline",
    "Check",
    "Concrete",
    "DisARM",
    "Draw",
    "Estimate",
    "Estimator",
    "GeneralisedReparameterisation",
    "GradientMonitor",
    "GradientStats",
    "LeaveOneOut",
    "Mean",
    "MovingAverage",
    "MuProp",
    "NoBaseline",
    "OptimalConstant",
    "Reparameterisation",
    "ScoreFunction",
    "StraightThrough",
    "StraightThroughGumbel",
    "SurrogateNetwork",
    "Toy",
    "check_unbiased",
    "estimators_for",
    "exact_gradient",
    "gradient_stats",
    "make_estimator",
    "make_toy",
    "stats_table",
    "train_estimator",
]
