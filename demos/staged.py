"""A long formula in stages: no stage is hard (CS231n; micrograd's README)."""

# %% f = (x + σ(y)) / (σ(x) + (x + y)²)
import viz
from engine import Value, sigmoid

x, y = Value(3.0), Value(-4.0)
numerator = x + sigmoid(y)
denominator = sigmoid(x) + (x + y) ** 2
f = numerator / denominator
f.backward()
print(f"f = {f.data:.10f}, df/dx = {x.grad:.10f}, df/dy = {y.grad:.10f}")

# %% x and y are used three times and twice: their gradients are sums, and the picture shows them
viz.draw(f, names=globals()).save("staged.svg")

# %% The formula of micrograd's README, unchanged
a = Value(-4.0)
b = Value(2.0)
c = a + b
d = a * b + b**3
c += c + 1
c += 1 + c + (-a)
d += d * 2 + (b + a).relu()
d += 3 * d + (b - a).relu()
e = c - d
f = e**2
g = f / 2.0
g += 10.0 / f
g.backward()
print(f"micrograd: g = {g.data:.4f}, dg/da = {a.grad:.4f}, dg/db = {b.grad:.4f}")
