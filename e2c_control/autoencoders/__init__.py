"""Auto-encoders, from plain to recurrent, their priors, sampling, and novelty search."""

from e2c_control.autoencoders.adversarial import AdversarialAutoEncoder
from e2c_control.autoencoders.autoencoder import AutoEncoder, Loss
from e2c_control.autoencoders.denoising import DenoisingAutoEncoder
from e2c_control.autoencoders.kernels import Gaussian, InverseMultiquadratic, Kernel
from e2c_control.autoencoders.mmd import median_gaussian, mmd, prior_mmd
from e2c_control.autoencoders.networks import (
    Networks,
    convolutional_networks,
    image_networks,
    seeded,
    signal_networks,
    vector_networks,
)
from e2c_control.autoencoders.novelty import SearchOptions, novelty_search
from e2c_control.autoencoders.plain import PlainAutoEncoder
from e2c_control.autoencoders.priors import PRIORS, Prior, make_prior
from e2c_control.autoencoders.recurrent import RecurrentAutoEncoder
from e2c_control.autoencoders.registry import (
    METHODS,
    AutoEncoderConfig,
    load_autoencoder,
    make_autoencoder,
    save_autoencoder,
)
from e2c_control.autoencoders.sampling import ChainReport, Chains, FittedCodes, fit_codes, resample
from e2c_control.autoencoders.toys import parabola, waves
from e2c_control.autoencoders.training import AutoEncoderTrainer, TrainingOptions
from e2c_control.autoencoders.variational import VariationalAutoEncoder
from e2c_control.autoencoders.wasserstein import WassersteinAutoEncoder

__all__ = [
    "METHODS",
    "PRIORS",
    "AdversarialAutoEncoder",
    "AutoEncoder",
    "AutoEncoderConfig",
    "AutoEncoderTrainer",
    "ChainReport",
    "Chains",
    "DenoisingAutoEncoder",
    "FittedCodes",
    "Gaussian",
    "InverseMultiquadratic",
    "Kernel",
    "Loss",
    "Networks",
    "PlainAutoEncoder",
    "Prior",
    "RecurrentAutoEncoder",
    "SearchOptions",
    "TrainingOptions",
    "VariationalAutoEncoder",
    "WassersteinAutoEncoder",
    "convolutional_networks",
    "fit_codes",
    "image_networks",
    "load_autoencoder",
    "make_autoencoder",
    "make_prior",
    "median_gaussian",
    "mmd",
    "novelty_search",
    "parabola",
    "prior_mmd",
    "resample",
    "save_autoencoder",
    "seeded",
    "signal_networks",
    "vector_networks",
    "waves",
]
