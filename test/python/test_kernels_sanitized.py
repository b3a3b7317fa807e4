"""Every kernel with odd, empty and one-row shapes, under the address and the undefined-behaviour sanitizer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import paddle
import pytest
from conftest import ROOT
from vilbert import kernels
from vilbert.kernel_library import unfit_because

KERNELS = ROOT / "python" / "kernels"
HEADERS = next((KERNELS / "build").glob("onednn-*/include"), None)


@pytest.mark.slow
@pytest.mark.skipif(not kernels.are_available(), reason=f"no kernels: {unfit_because()}")
@pytest.mark.skipif(HEADERS is None, reason="no headers of oneDNN: `npm run ready` fetches them")
def test_every_kernel_is_clean_under_the_sanitizers(tmp_path: Path) -> None:
    libraries = Path(paddle.__file__).parent / "libs"
    values = [f"PADDLE_LIBS={libraries}", f"ONEDNN_INCLUDE={HEADERS}", f"BUILD={tmp_path / 'build'}"]
    made = subprocess.run(
        ["make", "-j2", "sanitize", *values], cwd=KERNELS, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-2000:]
    assert made.stdout.endswith("every kernel is clean\n")
