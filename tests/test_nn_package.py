"""The package beside a learner's own files."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(code, folder):
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(ROOT)!r}); {code}"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )


def test_an_engine_file_of_ones_own_that_hides_ours_is_named(tmp_path):
    (tmp_path / "engine.py").write_text("class Value: pass\n")
    done = run("import nn", tmp_path)
    assert done.returncode == 1
    assert f"found {tmp_path / 'engine.py'}. Rename that file or folder" in done.stderr


def test_importing_nn_imports_numpy_alone(tmp_path):
    code = (
        "import nn; print([m for m in ('tqdm', 'safetensors', 'torch', 'viz') if m in sys.modules])"
    )
    assert run(code, tmp_path).stdout == "[]\n"
