"""For the System V tests: a namespace of the run's own, patience, and another user."""

from __future__ import annotations

import gc

import pytest

WAIT = 20
NOBODY = 65534


@pytest.fixture(autouse=True)
def _in_a_namespace_of_our_own(own_ipc_namespace):
    """Everything here makes objects that live until somebody removes them."""


@pytest.fixture
def no_collector():
    """For handlers that raise at any moment: inside a callback of the collector the exception would be lost."""
    gc.disable()
    yield
    gc.enable()
