"""One outlier: squared error lets it decide, absolute error and Huber's hardly notice it."""

# %% Five points on the line y = 2x, but for the last, whose y is 40 instead of 10
import nn
import viz
from engine import Value
from nn import functional as F

points = [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0), (4.0, 8.0), (5.0, 40.0)]
LOSSES = (F.mse_loss, F.l1_loss, F.huber_loss)

# %% How hard the outlier pulls at a prediction that is right for all others
for loss_of in LOSSES:
    w = Value(2.0, label="w")
    prediction = w * 5.0
    loss = loss_of(prediction, 40.0)
    loss.backward()
    print(f"{loss_of.__name__:10} dloss/dprediction at the outlier: {prediction.grad:.0f}")
    names = {"prediction": prediction, "loss": loss}
    viz.draw(loss, names=names).save(f"outlier-{loss_of.__name__}.svg")


# %% Where the slope ends when all five points are heard
def fit(loss_of, lr=0.003, steps=1500):
    w = Value(0.0)
    optimizer = nn.optim.SGD([w], lr)
    for _ in range(steps):
        optimizer.zero_grad()
        (sum(loss_of(w * x, y) for x, y in points) / 5).backward()
        optimizer.step()
    return w.data


for loss_of in LOSSES:
    print(f"{loss_of.__name__:10} slope found: {fit(loss_of):.2f}")

# %% Huber's loss and PyTorch's smooth L1 are one loss, up to a factor
x, t = Value(2.0), 40.0
smooth, huber = F.smooth_l1_loss(x, t, beta=0.5), F.huber_loss(x, t, delta=0.5)
print(f"smooth_l1_loss(beta=0.5) = {smooth.data}, huber_loss(delta=0.5) / 0.5 = {huber.data / 0.5}")
