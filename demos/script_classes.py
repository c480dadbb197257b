"""A PyTorch script, its imports changed: logistic regression of random labels, and its accuracy."""

# import torch
# import torch.nn as nn
# import torch.nn.functional as F
# import torch.optim as optim
import engine as torch
import nn
import nn.functional as F
from nn import optim

x = torch.randn(100, 5)
y = torch.randint(0, 2, (100, 1)).float()


class LogisticRegression(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 1)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


model = LogisticRegression()
optimizer = optim.SGD(model.parameters(), lr=0.01)

for epoch in range(1000):
    y_pred = model(x)
    loss = F.binary_cross_entropy(y_pred, y)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    if (epoch + 1) % 100 == 0:
        print(f"Epoch [{epoch + 1}/1000], Loss: {loss.item():.4f}")

with torch.no_grad():
    y_pred = model(x)
    predicted = (y_pred > 0.5).float()
    accuracy = (predicted == y).float().mean()
    print(f"Accuracy: {accuracy.item():.2f}")
