"""Lessons in backpropagation: each prints its numbers and draws a picture that shows the same.

`python -m demos --list` names them, `python -m demos NAME` runs one, and `python -m demos` trains
the same net with four activations and shows what became of it. A lesson is a script in cells
(`# %%`), to be run whole or, in an editor that knows them, cell by cell. Its pictures go into the
current folder, or where `--out` says.
"""

LESSONS = (
    "compare", "circuit", "neuron", "staged", "tanh_neuron", "paths", "reuse", "vanishing",
    "slow_start", "softmax", "outlier", "dead_relu", "dead_bias", "mazur", "digit_nets",
    "gallery",
)  # fmt: skip
# Written for Keras, PyTorch and NumPy, and ported: these print, and draw nothing.
SCRIPTS = ("script_keras", "script_line", "script_classes", "script_step", "script_numpy")


def progress(steps, text):
    """The same steps, with a bar on a terminal where tqdm is installed; silence in a pipe."""
    try:
        from tqdm import tqdm
    except ImportError:
        return steps
    return tqdm(steps, desc=text, disable=None, leave=False)
