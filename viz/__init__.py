"""Seeing a graph and its gradients: pictures, and what is wrong in them.

>>> import engine, viz
>>> x = engine.Value(3.0, label="x")
>>> y = x * x
>>> y.backward()
>>> viz.draw(y).save("square.svg")  # doctest: +SKIP
"""

from pathlib import Path

import engine

if Path(engine.__file__ or "").parents[1:2] != Path(__file__).parents[1:2]:
    raise ImportError(
        "viz needs the engine package that is installed beside it, but `import engine` found "
        f"{engine.__file__}. Rename that file or folder: it hides ours."
    )

from viz.activation import describe_activation as describe_activation
from viz.activation import plot_activation as plot_activation
from viz.build import draw as draw
from viz.compare import Comparison as Comparison
from viz.compare import compare as compare
from viz.decades import why_small as why_small
from viz.diagnose import diagnose as diagnose
from viz.explain import why_zero as why_zero
from viz.findings import Finding as Finding
from viz.findings import Report as Report
from viz.findings import Thresholds as Thresholds
from viz.paths import paths as paths
from viz.picture import Picture as Picture
from viz.plots import plot_activations as plot_activations
from viz.plots import plot_decision_boundary as plot_decision_boundary
from viz.plots import plot_gradient_flow as plot_gradient_flow
from viz.plots import plot_history as plot_history
from viz.plots import plot_units as plot_units
from viz.plots import plot_updates as plot_updates
from viz.record import Recorder as Recorder
from viz.render import RendererNotFound as RendererNotFound
from viz.render import RenderError as RenderError
