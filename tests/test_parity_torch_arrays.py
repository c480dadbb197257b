"""Shapes, indexing and products as PyTorch has them: see `parity.py`."""

import numpy as np
import pytest
from parity import (
    cases,
    check,
    normal,
)

# --- shape and indexing -------------------------------------------------------------------------

SHAPED = [normal(2, 3), normal(2, 3, 4), normal(5), normal(), normal(0, 3), normal(1, 3, 1)]
SHAPED += [normal(4, 3).T, normal(6, 4)[::2, ::-1], np.arange(6).reshape(2, 3)]
SHAPE = """
T.reshape(x, (-1,)), T.reshape(input=x, shape=(1, -1))
x.reshape(3, -1), x.reshape((3, -1)), x.reshape([-1, 3]), x.reshape(shape=(-1,))
x.reshape(7)
x.reshape(-1, -1)
x.clone().view(-1), x.clone().view((1, -1)), x.clone().view(1, *x.shape)
T.flatten(x), x.flatten(1), x.flatten(start_dim=0, end_dim=-2), x.flatten(-2)
x.flatten(-1, 0)
x.ravel(), T.ravel(x)
T.unbind(x), x.unbind(-1), T.unbind(x, dim=0)
T.transpose(x, 0, 1), x.transpose(-1, 0), T.transpose(x, dim0=0, dim1=-1)
T.permute(x, (1, 0)), x.permute(1, 0), x.permute((-1, 0)), x.permute(dims=(1, 0))
x.permute(2, 0, 1)
x.permute(0, 0)
T.t(x), x.t()
x.T
x[..., None].mT
T.squeeze(x), x.squeeze(0), T.squeeze(x, dim=-1), x.squeeze((0, -1))
x.squeeze(5)
T.unsqueeze(x, 0), x.unsqueeze(-1), x.unsqueeze(dim=1)
x.unsqueeze(-4)
x.expand(4, *x.shape), x.expand(x.shape), x.expand_as(x)
x.expand(-1, 3), x.expand((2, 3))
x.expand(2, 5, 3, 4)
x.expand(-1, *x.shape)
T.broadcast_to(x, (2, 2, 3)), x.broadcast_to((5, 2, 3))
T.cat([x, 2 * x]), T.cat((x, x, x), dim=-1), T.cat(tensors=[x, x], dim=0)
T.cat([x, x[:1]]), T.cat([x])
T.cat([])
T.stack([x, 3 * x]), T.stack((x, x), 1), T.stack(tensors=[x, x], dim=-1)
T.stack([x, x], dim=9)
T.split(x, 2), x.split(1), x.split(2, dim=-1), T.split(x, split_size_or_sections=2, dim=0)
x.split([1, 2], dim=-1), x.split(split_size=[1, 1])
x.split(0)
T.chunk(x, 2), x.chunk(2, 1), T.chunk(input=x, chunks=3, dim=-1)
x.chunk(4)
x.chunk(0)
T.flip(x, (0,)), x.flip(0, 1), x.flip((0, -1)), T.flip(x, dims=[1])
x.flip(0, 0)
T.roll(x, 1), T.roll(x, 2, 0), x.roll((1, 2), (0, 1)), T.roll(x, shifts=-1, dims=-1)
x.roll((1, 2))
T.tile(x, (2,)), x.tile(2, 3), x.tile((2, 1, 2)), T.tile(x, dims=(0,))
x.repeat(2, 3), x.repeat((2, 2, 1)), x.repeat(1, 2, 1)
x.repeat(2)
T.tril(x), x.tril(1), T.tril(x, diagonal=-1), x.triu(), T.triu(x, 1)
x.size(), x.size(0), x.size(dim=-1), x.dim(), x.ndim, x.numel(), x.shape, len(x)
x.tolist()
list(x)
x.clone()
"""


@pytest.mark.parametrize("line", cases(SHAPE))
def test_shapes(line):
    for x in SHAPED:
        check(line, x)
    check(line.replace("x.", "(x * x * x)."), normal(2, 3), order=2)


INDEXING = """
x[0], x[-1], x[1:], x[...], x[()], x[None], x[:, None], x[0:0], x[::2]
x[..., 0], x[:, 1], x[0, 1], x[1, ...], x[..., None, 0], x[1:, ::2], x[None, ..., None]
x[[0, 1]], x[[0, 0, 1]], x[[1, 0], :], x[:, [0, 2, 2]], x[..., [0, 1]], x[[]]
x[[0, -1], [1, 0]], x[0, [0, 1]], x[[0], [1]], x[[0, 1], 0], x[1:2, [0, 1]], x[[0, 1], None]
x[[0], :, [1]], x[[0, 1], :, [1, 2]], x[:, [0, 1], [1, 2]], x[[0, 1], None, [1, 2]]
x[1, [0, 1], :], x[1:2, [0, 1], 0], x[:, T.tensor([0, 1]), None]
x[T.tensor(1)], x[T.tensor([[0, 1], [1, 1]])], x[T.tensor([[0], [1]]), T.tensor([[0, 2]])]
x[x > 0], x[x[:, 0] > 0], x[:, x[0] > 0], x[T.tensor([True, False])], x[T.tensor(True)]
x[True], x[False]
x[10]
x[[10]]
x[0, 0, 0, 0]
x[T.tensor([0.5])]
x[1.5]
T.gather(x, 0, T.tensor([[0, 1, 1]])), x.gather(dim=-1, index=T.tensor([[1], [2]]))
T.gather(input=x, dim=1, index=T.tensor([[0, 2, 1, 0]]))
x.gather(0, T.tensor([[5]]))
x.gather(0, T.tensor([0, 1]))
x.gather(0, T.tensor([[0.0]]))
T.index_select(x, 0, T.tensor([0, 1, 1])), x.index_select(dim=-1, index=T.tensor(1))
x.index_select(0, T.tensor([5]))
x.index_select(0, T.tensor([[0]]))
T.take_along_dim(x, T.argmax(x, 0, keepdim=True), 0), T.take_along_dim(x, T.tensor([3, 0]))
x.take_along_dim(T.tensor([[0], [1]]), dim=1), x.take_along_dim(T.tensor([[-1, 0]]), dim=-1)
x.take_along_dim(T.tensor([0]), 0)
"""


@pytest.mark.parametrize("line", cases(INDEXING))
def test_indexing(line):
    for x in (normal(2, 3), normal(2, 3, 4), normal(4), normal(4, 3).T, np.eye(2, 3) > 0):
        if x.dtype != bool or not ("> 0" in line or "argmax" in line):
            check(line, x)
    check(line.replace("x[", "(x * x * x)[", 1), normal(2, 3), order=2)


def test_one_hot():
    for indices in ([0, 1, 2], [[1, 0], [3, 3]], 2, [-1, 2]):
        for call in ("F.one_hot(x)", "F.one_hot(x, 4)", "F.one_hot(input=x, num_classes=3)"):
            check(call, np.array(indices))
    check("F.one_hot(x)", np.array([0.0, 1.0]))


def test_joining_tensors_of_several_dtypes_and_an_empty_one():
    for line in ("T.cat([x, y])", "T.cat([y, x], 1)", "T.stack([x, y])"):
        check(line, normal(2, 3), normal(2, 3).astype(np.float32))
        check(line, normal(2, 3), np.arange(6).reshape(2, 3))
        check(line, normal(2, 3), np.zeros(0))
        check(line, normal(2, 3), normal(2, 2))


# --- contraction --------------------------------------------------------------------------------

SHAPES = [(), (3,), (0,), (2, 3), (3, 2), (3, 3), (4, 2, 3), (4, 3, 2), (1, 2, 3), (2, 1, 3, 2)]


@pytest.mark.parametrize("name", ["matmul", "mm", "bmm", "mv", "dot", "outer"])
@pytest.mark.parametrize("left", SHAPES)
def test_products(name, left):
    for right in SHAPES:
        check(f"T.{name}(x, y)", normal(*left), normal(*right), order=2)
    if name == "matmul":
        check("x @ y", normal(*left), normal(*left)[..., None])


EINSUMS = """
ij,jk->ik (2,3) (3,4)
ij,jk (2,3) (3,4)
ij,ij-> (2,3) (2,3)
ji (2,3)
ii (3,3)
ii->i (3,3)
iij->j (2,2,3)
ij-> (2,3)
ij->i (2,3)
i,j->ij (2,) (3,)
bij,bjk->bik (4,2,3) (4,3,2)
...ij,...jk->...ik (5,4,2,3) (4,3,2)
...,...->... (2,3) (3,)
i...,i...->... (2,3) (2,1)
ij,jk,kl->il (2,3) (3,4) (4,2)
ij,ij->ij (2,1) (2,3)
...i (2,3)
b n h , b m h -> b n m (2,3,4) (2,5,4)
Aa,aB->AB (2,3) (3,2)
ij,k->k (2,3) (4,)
iijj->ij (2,2,3,3)
a...,...b->ab... (2,3,4) (3,4,2)
i,ij,j-> (2,) (2,3) (3,)
ij,jk->ii (2,3) (3,2)
ij->ijk (2,3)
i1->i (2,3)
ij,jk->ik (2,3) (4,2)
ijk->ij (2,3)
"""


@pytest.mark.parametrize("case", cases(EINSUMS))
def test_einsum(case):
    equation, *shapes = case.replace(" (", "|(").split("|")
    operands = [normal(*eval(shape)) for shape in shapes]
    check(f"T.einsum({equation!r}, {', '.join('xyz'[: len(operands)])})", *operands, order=2)


def test_einsum_without_an_equation():
    check("T.einsum(x, [0, 1], y, [1, 2], [0, 2])", normal(2, 3), normal(3, 4), order=2)
    check("T.einsum(x, [..., 0, 1], y, [1, 2])", normal(4, 2, 3), normal(3, 4))
    check("T.einsum('ij,jk->ik', [x, x])", normal(3, 3), order=2)
