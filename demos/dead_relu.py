"""Too large a learning rate kills ReLUs for good; leaky ones recover (CS231n)."""

# %% The moons net, 200 steps, at three learning rates
import viz
from demos import moons
from engine import no_grad
from nn import LeakyReLU, ReLU

x, y = moons.data()
for activation, lr in ((ReLU, 1), (ReLU, 5), (ReLU, 20), (LeakyReLU, 5)):
    model = moons.train(moons.net(activation), lr)
    with no_grad():
        loss = moons.loss_of(model(x)).item()
    report = viz.diagnose(model, x, moons.loss_of)
    dead = ", ".join(f"{layer.dead}/{layer.units}" for layer in report.layers)
    print(
        f"{activation.__name__} at {lr}: loss {loss:.3g}, accuracy {moons.accuracy(model):.2f}, "
        f"dead {dead}"
    )

# %% At 5, ReLU: what the diagnosis says, and the graph with its marks
model = moons.train(moons.net(ReLU), 5)
print(viz.diagnose(model, x, moons.loss_of))
model.zero_grad()
loss = moons.loss_of(model(x))
loss.backward()
viz.draw(loss, names=globals()).save("dead_relu.svg")
