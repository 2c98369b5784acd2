"""What several tests stand on: a small store of phantoms."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from modelsgenesis.data.intensity import ct_window
from modelsgenesis.data.store import Store, add_scan, open_store
from modelsgenesis.phantoms.chest import chest

# The suite draws the same examples on every machine and in every run; `make fuzz` draws others.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("fuzz", database=None, deadline=None, print_blob=True)
settings.load_profile("same")

# A job in the background inherits Ctrl-C ignored, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

torch.set_num_threads(1)  # toy networks gain nothing from more, and lose much on a busy machine


@pytest.fixture(scope="session")
def phantom_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Five chest phantoms of 48x48x40 voxels; the last two are one subject."""
    path = tmp_path_factory.mktemp("phantoms") / "store"
    window = ct_window()
    for number in range(5):
        phantom = chest(np.random.default_rng((7, number)), shape=(48, 48, 40), spacing=(7.0, 7.0, 7.0))
        add_scan(
            path,
            f"scan{number}",
            window.encode(phantom.array),
            window,
            spacing=phantom.spacing,
            subject=f"subject{min(number, 3)}",
            digest=str(number),
        )
    return open_store(path)


@pytest.fixture
def store_path(phantom_store: Store) -> Path:
    """Where that store lies."""
    return phantom_store.path


@pytest.fixture
def no_room() -> Iterator[None]:
    """A disk that takes no file of more than 2 KiB: a limit of this process stands for it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
