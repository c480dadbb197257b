"""A sigmoid that is certain and wrong learns slowly, unless the loss makes up for it (Nielsen, chapter 3)."""

# %% One neuron, one example: x = 1 should give 0, and z = 4 gives nearly 1
import engine
import viz
from engine import Value, sigmoid, softplus


def neuron(w, b):
    w, b = Value(w, label="w"), Value(b, label="b")
    z = w * 1.0 + b
    z.label = "z"
    return w, b, z


# %% Squared error: wrong by 0.98, and almost no gradient, for the slope of σ is 0.018
w, b, z = neuron(2.0, 2.0)
a = sigmoid(z)
loss = a**2 / 2
loss.backward()
print(f"squared error: a = {a.data:.4f}, dloss/dz = {z.grad:.6f}")
viz.draw(loss, names={"a": a, "loss": loss}).save("slow_start.svg")

# %% Cross-entropy, −log(1 − σ(z)) = softplus(z): the gradient is a − 0
w, b, z = neuron(2.0, 2.0)
loss = softplus(z)
loss.backward()
print(f"cross-entropy: dloss/dz = {z.grad:.6f}")
viz.draw(loss, names={"loss": loss}).save("slow_start-cured.svg")


# %% Training: how long until a < 0.5?
def train(loss_of, w, b, lr=0.15, epochs=300):
    crossed = None
    for epoch in range(epochs):
        w, b, z = neuron(w, b)
        if crossed is None and z.data < 0:
            crossed = epoch
        slope_w, slope_b = engine.grad(loss_of(z), [w, b])
        w, b = w.data - lr * slope_w, b.data - lr * slope_b
    return crossed, sigmoid(w * 1.0 + b)


for name, loss_of in (
    ("squared error", lambda z: sigmoid(z) ** 2 / 2),
    ("cross-entropy", softplus),
):
    for w, b in ((0.6, 0.9), (2.0, 2.0)):
        crossed, a = train(loss_of, w, b)
        print(
            f"{name} from w = {w}, b = {b}: a < 0.5 after {crossed} epochs, a = {a:.4f} at the end"
        )
