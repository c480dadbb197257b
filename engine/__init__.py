"""The graph and the chain rule: scalar `Value`s and array `Tensor`s that know their gradients.

>>> import engine
>>> x = engine.Value(3.0)
>>> y = x**2 + 1
>>> y.backward()
>>> x.grad
6.0
"""

from engine.backprop import Step as Step
from engine.backprop import grad as grad
from engine.backprop import steps as steps
from engine.creation import manual_seed as manual_seed
from engine.creation import ones as ones
from engine.creation import rand as rand
from engine.creation import randn as randn
from engine.creation import tensor as tensor
from engine.creation import zeros as zeros
from engine.node import Node as Node
from engine.node import no_grad as no_grad
from engine.ops import abs as abs
from engine.ops import add as add
from engine.ops import clamp as clamp
from engine.ops import cos as cos
from engine.ops import div as div
from engine.ops import exp as exp
from engine.ops import expm1 as expm1
from engine.ops import leaky_relu as leaky_relu
from engine.ops import log as log
from engine.ops import log1p as log1p
from engine.ops import maximum as maximum
from engine.ops import minimum as minimum
from engine.ops import mul as mul
from engine.ops import neg as neg
from engine.ops import pow as pow
from engine.ops import relu as relu
from engine.ops import sigmoid as sigmoid
from engine.ops import sign as sign
from engine.ops import sin as sin
from engine.ops import softplus as softplus
from engine.ops import sqrt as sqrt
from engine.ops import sub as sub
from engine.ops import tanh as tanh
from engine.ops import where as where
from engine.rule import elementwise as elementwise
from engine.structure import amax as amax
from engine.structure import amin as amin
from engine.structure import broadcast_to as broadcast_to
from engine.structure import cat as cat
from engine.structure import log_softmax as log_softmax
from engine.structure import logsumexp as logsumexp
from engine.structure import matmul as matmul
from engine.structure import max as max
from engine.structure import mean as mean
from engine.structure import min as min
from engine.structure import permute as permute
from engine.structure import reshape as reshape
from engine.structure import softmax as softmax
from engine.structure import stack as stack
from engine.structure import sum as sum
from engine.structure import take_along_dim as take_along_dim
from engine.structure import transpose as transpose
from engine.tensor import Tensor as Tensor
from engine.tensor import get_default_dtype as get_default_dtype
from engine.tensor import set_default_dtype as set_default_dtype
from engine.value import Value as Value
