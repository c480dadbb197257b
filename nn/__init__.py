"""Networks: neurons of `Value`s as in micrograd, modules of `Tensor`s as in PyTorch.

>>> import engine, nn
>>> engine.manual_seed(0)
>>> model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
>>> optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
>>> loss = nn.functional.mse_loss(model(engine.randn(8, 2)), engine.zeros(8, 1))
>>> loss.backward()
>>> optimizer.step()
"""

from pathlib import Path

import engine

if Path(engine.__file__ or "").parents[1:2] != Path(__file__).parents[1:2]:
    raise ImportError(
        "nn needs the engine package that is installed beside it, but `import engine` found "
        f"{engine.__file__}. Rename that file or folder: it hides ours."
    )

from nn import data as data
from nn import functional as functional
from nn import init as init
from nn import optim as optim
from nn import utils as utils
from nn.callbacks import Callback as Callback
from nn.callbacks import Checkpoint as Checkpoint
from nn.callbacks import EarlyStopping as EarlyStopping
from nn.callbacks import Progress as Progress
from nn.callbacks import Schedule as Schedule
from nn.checkpoint import load as load
from nn.checkpoint import load_checkpoint as load_checkpoint
from nn.checkpoint import save as save
from nn.checkpoint import save_checkpoint as save_checkpoint
from nn.layers.activation import CELU as CELU
from nn.layers.activation import ELU as ELU
from nn.layers.activation import GELU as GELU
from nn.layers.activation import SELU as SELU
from nn.layers.activation import Hardsigmoid as Hardsigmoid
from nn.layers.activation import Hardswish as Hardswish
from nn.layers.activation import Hardtanh as Hardtanh
from nn.layers.activation import LeakyReLU as LeakyReLU
from nn.layers.activation import LogSigmoid as LogSigmoid
from nn.layers.activation import LogSoftmax as LogSoftmax
from nn.layers.activation import Maxout as Maxout
from nn.layers.activation import Mish as Mish
from nn.layers.activation import PReLU as PReLU
from nn.layers.activation import ReLU as ReLU
from nn.layers.activation import ReLU6 as ReLU6
from nn.layers.activation import Sigmoid as Sigmoid
from nn.layers.activation import SiLU as SiLU
from nn.layers.activation import Softmax as Softmax
from nn.layers.activation import Softmin as Softmin
from nn.layers.activation import Softplus as Softplus
from nn.layers.activation import Softsign as Softsign
from nn.layers.activation import Step as Step
from nn.layers.activation import Tanh as Tanh
from nn.layers.container import ModuleDict as ModuleDict
from nn.layers.container import ModuleList as ModuleList
from nn.layers.container import Sequential as Sequential
from nn.layers.convolution import AvgPool1d as AvgPool1d
from nn.layers.convolution import AvgPool2d as AvgPool2d
from nn.layers.convolution import Conv1d as Conv1d
from nn.layers.convolution import Conv2d as Conv2d
from nn.layers.convolution import MaxPool1d as MaxPool1d
from nn.layers.convolution import MaxPool2d as MaxPool2d
from nn.layers.linear import Flatten as Flatten
from nn.layers.linear import Identity as Identity
from nn.layers.linear import Linear as Linear
from nn.layers.loss import BCELoss as BCELoss
from nn.layers.loss import BCEWithLogitsLoss as BCEWithLogitsLoss
from nn.layers.loss import CrossEntropyLoss as CrossEntropyLoss
from nn.layers.loss import HingeLoss as HingeLoss
from nn.layers.loss import HuberLoss as HuberLoss
from nn.layers.loss import KLDivLoss as KLDivLoss
from nn.layers.loss import L1Loss as L1Loss
from nn.layers.loss import LogLoss as LogLoss
from nn.layers.loss import MSELoss as MSELoss
from nn.layers.loss import NLLLoss as NLLLoss
from nn.layers.loss import QuantileLoss as QuantileLoss
from nn.layers.loss import SmoothL1Loss as SmoothL1Loss
from nn.layers.loss import SmoothL2Loss as SmoothL2Loss
from nn.layers.loss import SquaredHingeLoss as SquaredHingeLoss
from nn.layers.normalization import BatchNorm1d as BatchNorm1d
from nn.layers.normalization import BatchNorm2d as BatchNorm2d
from nn.layers.normalization import Dropout as Dropout
from nn.layers.normalization import LayerNorm as LayerNorm
from nn.layers.sequence import RNN as RNN
from nn.layers.sequence import Embedding as Embedding
from nn.module import Buffer as Buffer
from nn.module import Module as Module
from nn.module import Parameter as Parameter
from nn.neuron import MLP as MLP
from nn.neuron import Layer as Layer
from nn.neuron import Neuron as Neuron
from nn.training import History as History
from nn.training import Run as Run
from nn.training import accuracy as accuracy
from nn.training import binary_accuracy as binary_accuracy
from nn.training import evaluate as evaluate
from nn.training import fit as fit
