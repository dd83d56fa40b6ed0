"""Options of the commands that say how a model is loaded and run."""

import argparse

from st_isotropy.diagnosis.loading import BATCH_SIZE, PRECISIONS, Loading

_OPTIONS = ("trust_remote_code", "revision", "device", "batch_size", "precision")


def add_model_options(command: argparse.ArgumentParser) -> None:
    """Add how the model is loaded and run."""
    group = command.add_argument_group("how the model is loaded and run")
    group.add_argument("--trust-remote-code", action="store_true", help="let code that comes with the model run")
    group.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a model on the hub")
    group.add_argument("--device", metavar="NAME", help="such as cpu, cuda:1 or mps (default: the fastest there is)")
    group.add_argument("--batch-size", type=positive, metavar="N", help=f"texts per forward pass ({BATCH_SIZE})")
    group.add_argument("--precision", choices=PRECISIONS, help="of weights (default: as saved)")


def positive(text: str) -> int:
    """Read a whole number from 1, for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1")
    return number


def model_options(options: argparse.Namespace) -> Loading:
    """What `add_model_options` added, as a value."""
    return Loading(options.trust_remote_code, options.revision, options.device, options.precision)


def check_no_model_options(options: argparse.Namespace) -> None:
    """Raise a `ValueError` for an option of models, where there are embeddings and no model."""
    for name in _OPTIONS:
        if getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')} does not go with embeddings; leave it out.")
