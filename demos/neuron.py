"""A sigmoid neuron, as one gate and as four: the same gradients (CS231n)."""

# %% Two inputs, two weights and a bias
import viz
from engine import Value, sigmoid


def neuron():
    w = [Value(number, label=f"w{i}") for i, number in enumerate((2.0, -3.0, -3.0))]
    x = [Value(number, label=f"x{i}") for i, number in enumerate((-1.0, -2.0))]
    return w, x, w[0] * x[0] + w[1] * x[1] + w[2]


# %% σ as one gate: its local derivative is σ·(1 − σ)
w, x, z = neuron()
z.label = "z"
f = sigmoid(z)
f.backward()
print(f"z = {z.data}, f = {f.data:.7f}, df/dz = {z.grad:.7f}")
print("df/dw =", [round(v.grad, 7) for v in w])
print("df/dx =", [round(v.grad, 7) for v in x])
viz.draw(f, names={"f": f}).save("neuron.svg")

# %% The same neuron with σ written out: 1 / (1 + exp(−z))
w, x, z = neuron()
expanded = 1 / ((-z).exp() + 1)
expanded.backward()
print("written out, df/dw =", [round(v.grad, 7) for v in w])
viz.draw(expanded, names={"f": expanded}).save("neuron-expanded.svg")
