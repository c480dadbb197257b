"""A negative bias kills ReLUs at birth, and one dead layer is a wall before all earlier ones."""

# %% The moons net, untrained, with other biases in the hidden layers
import numpy as np

import viz
from demos import moons
from nn import ReLU

x, y = moons.data()
for bias in (0, -1, -3, -10):
    model = moons.net(ReLU, bias)
    report = viz.diagnose(model, x, moons.loss_of)
    dead = ", ".join(f"{layer.dead}/{layer.units}" for layer in report.layers)
    moons.loss_of(model(x)).backward()
    gradient = model[0].weight.grad
    print(
        f"bias {bias:3}: dead {dead}; gradient of the first weights: norm "
        f"{np.linalg.norm(gradient):.4f}, {np.mean(gradient == 0):.0%} exactly 0"
    )

# %% At −3 the second layer is dead, and the first learns nothing though three of its units live
model = moons.net(ReLU, -3)
loss = moons.loss_of(model(x))
loss.backward()
viz.draw(loss, names=globals()).save("dead_bias.svg")
