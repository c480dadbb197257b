"""Softmax and cross-entropy: together, their gradient is p − y."""

# %% Three logits; the first class is the right one
import numpy as np

import viz
from engine import Value, tensor

z = [Value(2.0), Value(1.0), Value(0.1)]
e = [logit.exp() for logit in z]
total = e[0] + e[1] + e[2]
p = [power / total for power in e]
loss = -p[0].log()
loss.backward()
print("p    =", [round(probability.data, 6) for probability in p])
print(f"loss = {loss.data:.6f}")
print("grad =", [round(logit.grad, 6) for logit in z], "= p - y")
viz.draw(loss, names=globals()).save("softmax.svg")

# %% The same on an array, as one operation that cannot overflow
logits = tensor([2.0, 1.0, 0.1], requires_grad=True, label="logits")
loss = -logits.log_softmax(dim=0)[0]
loss.backward()
print("grad =", logits.grad.round(6).tolist())
viz.draw(loss, names=globals()).save("softmax-tensor.svg")

# %% Certain and wrong: the softmax is saturated, the gradient of the two together is not
logits = tensor([10.0, 0.0, 0.0], requires_grad=True, label="logits")
loss = -logits.log_softmax(dim=0)[1]
loss.backward()
print("certain and wrong: grad =", [float(f"{g:.5g}") for g in logits.grad])

# %% Written as in the textbook, it overflows
with np.errstate(over="ignore", invalid="ignore"):
    powers = np.exp([1000.0, 0.0])
    print("naive softmax of 1000, 0:", (powers / powers.sum()).tolist())
print("ours:", tensor([1000.0, 0.0]).softmax(dim=0).tolist())
