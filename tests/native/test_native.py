"""The C code alone, under the sanitizers."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
NATIVE = HERE.parents[1] / "src" / "unixipc" / "_native"
SANITIZERS = ["address,undefined", "thread"]
ALSO = {"latch": ["forward"]}  # they ask each other who has a signal
SIGBUS_IS_OURS = "allow_user_segv_handler=1:handle_sigbus=0"
OPTIONS = dict.fromkeys(["ASAN_OPTIONS", "TSAN_OPTIONS"], SIGBUS_IS_OURS)

pytestmark = pytest.mark.skipif(not NATIVE.is_dir(), reason="the C sources are in the checkout, which is not here")


RING = [*(NATIVE / "ring").glob("*.c"), NATIVE / "robust" / "owner.c"]


def build(tmp_path, name, sanitizer):
    program = tmp_path / name
    code, folder = NATIVE / f"{name}.c", NATIVE / name
    also = [NATIVE / f"{each}.c" for each in ALSO.get(name, ())]
    parts = [code] if code.exists() else sorted(folder.glob("*.c"))  # or it is all in its header
    sources = [str(HERE / f"{name}_test.c"), *map(str, [*parts, *also])]
    if name in ("queue", "topic", "shared"):
        sources += map(str, RING)
    flags = ["-g", "-O1", "-std=gnu11", "-Wall", "-Wextra", f"-fsanitize={sanitizer}", "-fno-sanitize-recover"]
    command = ["cc", *flags, f"-I{NATIVE}", *sources, "-pthread", "-o", str(program)]
    subprocess.run(command, check=True, timeout=100)
    return program


@pytest.fixture(params=SANITIZERS)
def sanitizer(request, tmp_path):
    """Probed: this compiler must be able to build and run an empty program with it."""
    source = tmp_path / "empty.c"
    source.write_text("int main(void) { return 0; }")
    probe = ["cc", f"-fsanitize={request.param}", str(source), "-o", str(tmp_path / "empty")]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=60)
    if done.returncode == 0:
        done = subprocess.run([tmp_path / "empty"], capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"-fsanitize={request.param} does not work here: {done.stderr.strip().splitlines()[-1:]}")
    return request.param


@pytest.mark.parametrize(
    "name", ["interrupt", "queue", "topic", "shared", "spawn", "seqlock", "sigbus", "latch", "robust"]
)
def test_clean_under_the_sanitizer(name, sanitizer, tmp_path):
    done = subprocess.run(
        [build(tmp_path, name, sanitizer)], capture_output=True, text=True, timeout=100, env={**os.environ, **OPTIONS}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"{name}: ok\n"
    assert "ERROR" not in done.stderr  # ASan warns that it ignores a borrowed stack (vfork): no finding
