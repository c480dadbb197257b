"""A 2-2-2 net with every number, and ten thousand steps of training (Mazur)."""

# %% The most copied worked example: sigmoids, two outputs, fixed biases
import engine
import viz
from engine import Value, sigmoid

NUMBERS = (0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55)
w = [Value(number, label=f"w{place}") for place, number in enumerate(NUMBERS, 1)]


def outputs():
    h1 = sigmoid(w[0] * 0.05 + w[1] * 0.10 + 0.35)
    h2 = sigmoid(w[2] * 0.05 + w[3] * 0.10 + 0.35)
    o1 = sigmoid(w[4] * h1 + w[5] * h2 + 0.60)
    o2 = sigmoid(w[6] * h1 + w[7] * h2 + 0.60)
    return o1, o2


def error():
    o1, o2 = outputs()
    return (0.01 - o1) ** 2 / 2 + (0.99 - o2) ** 2 / 2


# %% Forward and backward
E = error()
E.backward()
print(f"E = {E.data:.9f}, dE/dw5 = {w[4].grad:.9f}, dE/dw1 = {w[0].grad:.9f}")
viz.draw(E, names={"E": E}, hide="constants").save("mazur.svg")

# %% Training
for step in range(1, 10001):
    for weight, gradient in zip(w, engine.grad(error(), w), strict=True):
        weight.data -= 0.5 * gradient
    if step in (1, 10000):
        print(f"E = {error().data:.9f} after {step} steps")
print("outputs:", [round(o.data, 6) for o in outputs()])
