"""A value used twice: why gradients are added, and why the order matters (Karpathy)."""

# %% b = a + a: both uses count. An engine that overwrites instead of adding says 1
import viz
from engine import Value

a = Value(3.0)
b = a + a
b.backward()
print("b = a + a: db/da =", a.grad)

# %% f = (a·b)·(a + b)
a, b = Value(-2.0), Value(3.0)
f = (a * b) * (a + b)
f.backward()
print(f"f = {f.data}, df/da = {a.grad}, df/db = {b.grad}")
viz.draw(f, names=globals()).save("reuse.svg")

# %% Not zeroing: leaves add up over calls of backward()
f.backward()
print(f"after a second backward: df/da = {a.grad}, df/db = {b.grad}")

# %% Why the order is topological. Passing a gradient on at once, before all of it is there:


def naive(node, gradients):
    for index, operand in enumerate(node.parents):
        gradients[operand] = gradients.get(operand, 0.0) + gradients[node] * node.local(index)
    for operand in node.parents:
        naive(operand, gradients)


a = Value(1.0)
b = a + a
c = b + b
gradients = {c: 1.0}
naive(c, gradients)
c.backward()
print(f"c = (a + a) + (a + a): naive recursion {gradients[a]}, in order {a.grad}")

# %% The backward pass, one picture per step
viz.draw(c, names=globals()).steps("reuse-steps")
