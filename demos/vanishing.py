"""A chain of neurons: sigmoids fade, tanh fades slowly, ReLU keeps (Nielsen, chapter 5)."""

# %% One neuron per layer, out = f(w·f(w·...x)): what is left of the gradient at x?
import engine
import viz
from engine import Value


def slope(activation, layers, w=1.0):
    x = out = Value(1.0)
    for _ in range(layers):
        out = activation(w * out)
    out.backward()
    return x.grad


print(f"{'':16}" + "".join(f"{n:>4} layers" for n in (5, 10, 20)))
for name, activation, w in [
    ("sigmoid", engine.sigmoid, 1.0),
    ("tanh", engine.tanh, 1.0),
    ("relu", engine.relu, 1.0),
    ("relu, w = 1.5", engine.relu, 1.5),
    ("relu, w = 0.5", engine.relu, 0.5),
]:
    slopes = [slope(activation, n, w) for n in (5, 10, 20)]
    print(f"{name:16}" + "".join(f"{s:11.4g}" for s in slopes))

# %% Each sigmoid lets at most 1/4 through, so the picture pales from right to left
x = out = Value(1.0)
for _ in range(5):
    out = engine.sigmoid(out)
out.backward()
viz.draw(out, names=globals()).save("vanishing.svg")

# %% And exploding: w = 100, and a bias that keeps z at 0, where the slope of σ is 1/4
x = out = Value(0.3)
for _ in range(4):
    out = engine.sigmoid(100 * out - 100 * out.data)
out.backward()
print(f"exploding: 25 per layer, {x.grad:.0f} after 4")
viz.draw(out, names=globals(), hide="constants", scale="max").save("exploding.svg")
