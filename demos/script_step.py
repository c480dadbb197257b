"""A PyTorch script, its imports changed: one step of gradient descent, and four activations."""

# import torch
# import torch.nn as nn
# import torch.nn.functional as F
# import torch.optim as optim
import engine as torch
import nn
import nn.functional as F
from nn import optim

x = torch.randn(64, 10)
y = torch.randn(64, 1)

model = nn.Linear(10, 1)
criterion = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.01)

y_pred = model(x)
loss = criterion(y_pred, y)
optimizer.zero_grad()
loss.backward()
optimizer.step()
print(f"Loss: {loss.item():.4f}, after the step: {criterion(model(x), y).item():.4f}")

x = torch.randn(64, 10)
sigmoid = F.sigmoid(x)
tanh = F.tanh(x)
relu = F.relu(x)
leaky_relu = F.leaky_relu(x, negative_slope=0.01)
for output in (sigmoid, tanh, relu, leaky_relu):
    print(tuple(output.shape), f"from {output.min().item():.4f} to {output.max().item():.4f}")
