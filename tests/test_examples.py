"""The examples run as they stand, and show what they claim."""

import ast
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_minimal_genesis_restores_better_than_any_constant() -> None:
    """In a process of its own, as a reader would start it."""
    script = EXAMPLES / "minimal_genesis.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    ratio = float(done.stdout.rsplit("ratio", 1)[1])
    assert 0.3 < ratio < 0.9, done.stdout


def test_minimal_genesis_needs_numpy_and_torch_only() -> None:
    """Beside the phantoms it borrows."""
    tree = ast.parse((EXAMPLES / "minimal_genesis.py").read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module for module in modules if module.split(".")[0] not in ("numpy", "torch")} == {
        "modelsgenesis.phantoms.chest"
    }
