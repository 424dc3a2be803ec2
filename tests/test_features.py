"""Probes: what this kernel can do, asked once; each answer agrees with trying it."""

import os

import pytest

from unixipc import features


@pytest.mark.parametrize("name", features.NAMES)
def test_every_probe_answers_and_leaves_nothing_open(name):
    features._answers.pop(name, None)
    before = os.listdir("/proc/self/fd")
    reason = features.why_not(name)
    assert os.listdir("/proc/self/fd") == before
    assert features.available(name) is (reason is None)
    assert reason is None or "Linux" in reason
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("name", features.NAMES)
def test_requiring_is_nothing_or_enosys_that_names_the_probe(name):
    if features.available(name):
        assert features.require(name) is None
    else:
        with pytest.raises(OSError, match="Function not implemented") as refused:
            features.require(name)
        assert refused.value.filename == name
        assert f"features.available({name!r})" in refused.value.__notes__[0]


def test_a_missing_mechanism_is_enosys_and_says_why():
    name = features.NAMES[0]
    before = features._answers.get(name)
    features._answers[name] = "Function not implemented (Linux 99: made up)"
    try:
        assert not features.available(name)
        with pytest.raises(OSError) as refused:
            features.require(name)
        assert refused.value.errno == 38
        assert "made up" in refused.value.__notes__[0]
    finally:
        features._answers.pop(name)
        if before is not None:
            features._answers[name] = before


def test_a_name_that_is_no_probe_is_a_key_error():
    for ask in (features.available, features.why_not, features.require):
        with pytest.raises(KeyError):
            ask("warp drive")


def test_the_probes_agree_with_the_kernel_release():
    """A kernel at least as new as a probe's says has it (a sandbox may forbid; then the reason says so)."""
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    since = {"pidfd": (5, 3), "pidfd_getfd": (5, 6), "peer_pidfd": (6, 5), "pass_pidfd": (6, 5), "pipe_nowait": (6, 5)}
    for name, first in since.items():
        reason = features.why_not(name)
        if release >= first:
            assert reason is None or "not permitted" in reason.lower()
