"""A tanh neuron, and the same with tanh made of exponentials (Karpathy)."""

# %% The bias is chosen such that the numbers come out round
import viz
from engine import Value


def neuron():
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    n = x1 * w1 + x2 * w2 + Value(6.8813735870195432, label="b")
    n.label = "n"
    return (x1, w1, x2, w2), n


# %% One gate; its local derivative is 1 − tanh²
inputs, n = neuron()
o = n.tanh()
o.backward()
print(f"o = {o.data:.7f}, do/dn = {n.grad:.7f}")
print(", ".join(f"do/d{v.label} = {v.grad:.7f}" for v in inputs))
viz.draw(o, names={"o": o}).save("tanh_neuron.svg")

# %% The same in steps: the gradients do not change
inputs, n = neuron()
e = (2 * n).exp()
o = (e - 1) / (e + 1)
o.backward()
print(", ".join(f"do/d{v.label} = {v.grad:.7f}" for v in inputs))
viz.draw(o, names=globals()).save("tanh_neuron-expanded.svg")
