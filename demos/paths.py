"""Derivatives on edges: where two paths lead, their contributions add up (Olah)."""

# %% e = (a + b)·(b + 1)
import engine
import viz
from engine import Value

a, b = Value(2.0), Value(1.0)
c = a + b
d = b + 1
e = c * d
e.backward()
print(f"e = {e.data}, de/da = {a.grad}, de/db = {b.grad}")

# %% b reaches e on two paths: over c, and over d
for step in engine.steps(e):
    if step.operand is b:
        print(f"over {'c' if step.node is c else 'd'}: {step.upstream} × {step.local}")
viz.draw(e, names=globals()).save("paths.svg")
