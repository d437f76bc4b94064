"""Run a notebook and keep what its cells print and show: ``python notebook.py notebooks/goal-images.ipynb``.

A small stand-in for Jupyter, which opens the same files: cells run one after another in this process, and the value of
a cell's last expression is shown, a picture (PIL, matplotlib) as PNG. The digest of the code is kept in the notebook,
so that a test can tell outputs that are older than their cells.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import sys
from contextlib import redirect_stdout
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from matplotlib.figure import Figure


def code_of(notebook: dict[str, Any]) -> list[str]:
    """Return the source of each cell with code."""
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def digest_of(notebook: dict[str, Any]) -> str:
    """Return what tells this code from any other."""
    return hashlib.sha256("\n\n".join(code_of(notebook)).encode()).hexdigest()[:16]


def run(path: Path) -> None:
    """Run all cells in an empty folder, and write the notebook with its outputs."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    script = sys.modules["page"] = ModuleType("page")
    back, cells = Path.cwd(), (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for number, cell in enumerate(cells, 1):
                cell["execution_count"], cell["outputs"] = number, outputs("".join(cell["source"]), script, number)
        finally:
            os.chdir(back)
    notebook["metadata"]["digest"] = digest_of(notebook)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def outputs(source: str, script: ModuleType, number: int) -> list[dict[str, Any]]:
    """Run one cell and return its outputs as notebooks keep them."""
    tree, said, made = ast.parse(source), StringIO(), list[dict[str, Any]]()
    last = tree.body[-1]
    with redirect_stdout(said):
        value = None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, "cell", "exec"), script.__dict__)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), script.__dict__)
    if said.getvalue():
        made.append({"name": "stdout", "output_type": "stream", "text": said.getvalue().splitlines(keepends=True)})
    if value is not None:
        data: dict[str, Any] = {"text/plain": [repr(value)]}
        if (picture := as_png(value)) is not None:
            data = {"image/png": base64.b64encode(picture).decode(), "text/plain": [f"<{type(value).__name__}>"]}
        made.append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    return made


def as_png(value: Any) -> bytes | None:
    """Return a picture as a PNG file, and None for anything else."""
    if isinstance(value, Figure):
        file = BytesIO()
        value.savefig(file, format="png", dpi=80, bbox_inches="tight")
        return file.getvalue()
    return value._repr_png_() if hasattr(value, "_repr_png_") else None


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run(Path(name).resolve())
