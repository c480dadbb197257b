"""A PyTorch script, its imports changed: a line through noisy points of y = 2x + 3."""

# import torch
# import torch.nn as nn
# import torch.optim as optim
import engine as torch
import nn
from nn import optim

x = 5 * torch.randn(100, 1)
y = 2 * x + 3 + torch.randn(100, 1)


class LinearRegression(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, x):
        return self.linear(x)


model = LinearRegression()
criterion = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.01)

for epoch in range(1000):
    y_pred = model(x)
    loss = criterion(y_pred, y)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    if (epoch + 1) % 100 == 0:
        print(f"Epoch [{epoch + 1}/1000], Loss: {loss.item():.4f}")

for name, param in model.named_parameters():
    print(f"{name}: {param.item():.4f}")
