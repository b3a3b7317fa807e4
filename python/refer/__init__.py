"""Masks in COCO's run-length form. The compiled part lies in a build folder: see `refer.mask`."""

from __future__ import annotations

import os
from pathlib import Path

# `vilbert-ts` names the folder where the package's own may not be written to.
__path__.append(os.environ.get("VILBERT_TS_REFER_BUILD") or str(Path(__file__).parent / "build"))
