"""The viewer's library, NiiVue, as a part of the page that is unpacked when the viewer is opened."""

import base64
import gzip
import hashlib
from functools import cache
from importlib.resources import files

FILE = "niivue-0.69.0.umd.js"
VERSION = FILE.removeprefix("niivue-").removesuffix(".umd.js")


def source() -> bytes:
    """The script as vendored."""
    return files("modelsgenesis.report").joinpath("vendor", FILE).read_bytes()


@cache
def packed_script() -> str:
    """The script, gzip-compressed and in base64."""
    return base64.b64encode(gzip.compress(source(), 9, mtime=0)).decode()


def csp_hash(script: str | bytes) -> str:
    """The source expression that lets a page run exactly this inline script."""
    code = script.encode() if isinstance(script, str) else script
    return f"'sha256-{base64.b64encode(hashlib.sha256(code).digest()).decode()}'"
