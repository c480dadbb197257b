"""Optimizers by PyTorch's names, with PyTorch's arguments: `nn.optim.SGD(model.parameters(), lr)`.

An optimizer gives each parameter a new array and never writes into the old one: a graph that was
built before `step()` still holds the numbers that it was computed from.
"""

from nn.optim import lr_scheduler as lr_scheduler
from nn.optim.adaptive import Adagrad as Adagrad
from nn.optim.adaptive import Adam as Adam
from nn.optim.adaptive import AdamW as AdamW
from nn.optim.adaptive import RMSprop as RMSprop
from nn.optim.optimizer import Optimizer as Optimizer
from nn.optim.sgd import SGD as SGD
