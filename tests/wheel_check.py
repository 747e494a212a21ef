"""Build the wheel and the sdist, install the wheel in an empty environment, and use it there.

Run as a program by `make wheel-test`. The heavy packages come from the environment that runs it; the library's own
source is only in the wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USED = """
import selfimprove, pathlib
place = pathlib.Path(selfimprove.__file__)
assert "site-packages" in str(place), place
from selfimprove.installed import shipped
assert shipped("examples/arithmetic.toml").is_file()
assert shipped("examples/taxonomies/three_subjects.toml").is_file()
assert (place.parent / "py.typed").is_file()
selfimprove.load_config(shipped("examples/arithmetic.toml"))
"""


def sh(*command: str | Path, **how: object) -> str:
    """Run a command and give what it printed; end with it when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload]
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return str(done.stdout)


def main() -> None:
    """Check the wheel."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sh(sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", ROOT)
        wheel = next((place / "dist").glob("*.whl"))
        next((place / "dist").glob("*.tar.gz"))
        venv.create(place / "env", with_pip=True)
        python = place / "env" / "bin" / "python"
        sh(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel)
        here = Path(sh(python, "-c", "import site; print(site.getsitepackages()[0])").strip())
        outer = sh(sys.executable, "-c", "import site; print(site.getsitepackages()[0])").strip()
        (here / "outer.pth").write_text(outer + "\n")
        # An editable install of the source would stand in for the wheel, so its import hook is left out.
        sh(python, "-c", USED, cwd=place)
        said = sh(
            place / "env" / "bin" / "selfimprove", "--help", cwd=place, env={**os.environ, "PYTHONPATH": str(here)}
        )
        if "demo" not in said:
            sys.exit(f"selfimprove --help says: {said}")
    print("the wheel installs and works")  # noqa: T201 - a program for people


if __name__ == "__main__":
    main()
