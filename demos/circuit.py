"""A circuit of a sum and a product: add distributes, mul swaps, max routes (CS231n)."""

# %% f = (x + y)·z, forward
import engine
import viz
from engine import Value

x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
q = x + y
f = q * z
print("f =", f.data)

# %% Backward: how much f changes when each of the others does
f.backward()
print(f"df/dx = {x.grad}, df/dy = {y.grad}, df/dq = {q.grad}, df/dz = {z.grad}")

# %% The same by hand: nudge x, and see what f does
h = 1e-6
nudged = ((x.data + h) + y.data) * z.data
print(f"nudged: {(nudged - f.data) / h:.6f}")

# %% The picture: values above, gradients below, the local derivative on every edge
viz.draw(f, names=globals()).save("circuit.svg")

# %% Three patterns: + hands its gradient on, × swaps its inputs, max sends all to the larger
a, b, c, d = Value(3.0), Value(-4.0), Value(2.0), Value(-1.0)
g = 2 * (a * b + engine.maximum(c, d))
g.backward()
print(f"patterns: da = {a.grad}, db = {b.grad}, dc = {c.grad}, dd = {d.grad}")
viz.draw(g, names=globals()).save("circuit-patterns.svg")
