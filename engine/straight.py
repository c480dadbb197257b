"""Tensors in straight lines: an operation, its way back, and a whole graph, written out as text.

What an operation of small arrays costs is what Python does besides calling NumPy. So no loop goes
over operands: for each rule a function is written out, as `namedtuple` writes out a class, and
another that sends its gradient back. For a `Tape` the whole graph becomes one function, in which
all is settled that cannot change: who gets a gradient, and which contribution comes first.

In these texts n0, n1, ... are nodes and x0, x1, ... their arrays. All computing is the rules' own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.node import Node
from engine.rule import Rule

# --- an operation -------------------------------------------------------------------------------

_OPERATION = """\
def operation({arguments}):
    try:
        {arrays}
        {dtypes}
        m = FLOATING[d0]
    except (AttributeError, KeyError):
        return in_general(rule, ({nodes},), {parameters})
    recorded = is_recording()
    if recorded is not True{other_dtypes}:
        return in_general(rule, ({nodes},), {parameters})
    try:
        y = forward(m, {inputs}{keywords})
    except (ValueError, IndexError) as error:
        raise explained(error, rule, ({inputs},)) from None
    if type(y) is not ndarray:
        y = asarray(y)
    which = {which}
    if not which:
        return leaf(y)
    node = new(Tensor)
    node._data = y
    node.grad = None
    node.label = ""
    node.rule = rule
    node.serial = serial()
    node.met_in = None
    node.operands = ({nodes},)
    node.arrays = (m, y, {inputs})
    node.send = sends[which]
    node.arguments = {parameters}
    node._requires_grad = True
    return node"""


_ARGUMENTS = {0: "input", 1: "other"}  # by PyTorch's names, as the operations are methods, too


def operation_text(rule: Rule) -> str:
    """The text of the function that computes, and records, one operation of Tensors.

    It does what is usual: all operands are Tensors of one floating dtype, and it is recorded. The
    rest it leaves to `engine.tensor.in_general`. `which` has a bit for each operand that requires a
    gradient.

    >>> from engine import ops
    >>> print(operation_text(ops.mul))
    def operation(input, other):
        try:
            x0 = input._data
            x1 = other._data
            d0 = x0.dtype
            d1 = x1.dtype
            m = FLOATING[d0]
        except (AttributeError, KeyError):
            return in_general(rule, (input, other,), NOTHING)
        recorded = is_recording()
        if recorded is not True or d1 is not d0:
            return in_general(rule, (input, other,), NOTHING)
        try:
            y = forward(m, x0, x1)
        except (ValueError, IndexError) as error:
            raise explained(error, rule, (x0, x1,)) from None
        if type(y) is not ndarray:
            y = asarray(y)
        which = input._requires_grad + 2 * other._requires_grad
        if not which:
            return leaf(y)
        node = new(Tensor)
        node._data = y
        node.grad = None
        node.label = ""
        node.rule = rule
        node.serial = serial()
        node.met_in = None
        node.operands = (input, other,)
        node.arrays = (m, y, x0, x1)
        node.send = sends[which]
        node.arguments = NOTHING
        node._requires_grad = True
        return node
    """
    places = range(len(rule.inputs))
    alike = places[:1] if rule.mixed else places  # operands that must have one dtype
    nodes = [_ARGUMENTS.get(i, f"n{i}") for i in places]
    indent = "\n        "
    return _OPERATION.format(
        arguments=", ".join([*nodes, *(["parameters"] if rule.keywords else [])]),
        nodes=", ".join(nodes),
        inputs=_each("x{}", places),
        arrays=indent.join(f"x{i} = {n}._data" for i, n in enumerate(nodes)),
        dtypes=indent.join(f"d{i} = x{i}.dtype" for i in alike),
        other_dtypes="".join(f" or d{i} is not d0" for i in alike[1:]),
        which=" + ".join(f"{2**i} * {n}._requires_grad" for i, n in enumerate(nodes))[4:],
        parameters="parameters" if rule.keywords else "NOTHING",
        keywords=_keywords(rule),
    )


# --- its way back -------------------------------------------------------------------------------

_SENDING = """\
def send(node, waiting):
    upstream = node.grad{parameters}
    {nodes} = node.operands
    m, y, {arrays} = node.arrays"""
_TO_ALL = """
    for i in node.places:
        n = nodes[i]
        x = arrays[i]"""
# A leaf adds to what it has. Another node's gradient is replaced by what it gets first in this pass
# (it is then met, and waits to send) and added to by the rest. NumPy has one object for each native
# dtype, so that `is` will do; what is not native goes the way of `in_general`.
_EDGE = """
    if {n}._data is not {x}:
        node._check_in_place({i})
    g = {vjp}(m, upstream, y, {inputs})
    if type(g) is not ndarray or g.dtype is not m.dtype:
        g = asarray(g, m.dtype)
    if {n}.rule is None:
        if {n}.grad is not None:
            g = asarray({n}.grad + g)
{copy}    elif {n}.met_in is waiting:
        g = asarray({n}.grad + g)
    else:
        {n}.met_in = waiting
        push(waiting, ({n}.serial, {n}))
    {n}.grad = g"""


def sending_text(rule: Rule, places: Sequence[int]) -> str:
    """The text of the function that sends a node's gradient to the operands at `places`.

    What an operand gets first in a pass replaces its gradient, that of a leaf excepted. An operand
    that is not a leaf then waits to send in its turn. `waiting` is a new list in each pass: that a
    node was met in this one is marked by it.

    >>> from engine import ops
    >>> print(sending_text(ops.mul, [1]))
    def send(node, waiting):
        upstream = node.grad
        n0, n1, = node.operands
        m, y, x0, x1 = node.arrays
        if n1._data is not x1:
            node._check_in_place(1)
        g = vjp1(m, upstream, y, x0, x1)
        if type(g) is not ndarray or g.dtype is not m.dtype:
            g = asarray(g, m.dtype)
        if n1.rule is None:
            if n1.grad is not None:
                g = asarray(n1.grad + g)
        elif n1.met_in is waiting:
            g = asarray(n1.grad + g)
        else:
            n1.met_in = waiting
            push(waiting, (n1.serial, n1))
        n1.grad = g
    """
    lent = f'        elif {_lent("upstream", " " * 8)}:\n            g = g.copy("K")\n'
    names = {"copy": lent if rule.lends else ""}
    parameters = "\n    parameters = node.arguments" if rule.keywords else ""
    if rule.variadic:
        names |= {"n": "n", "x": "x", "i": "i", "vjp": "vjp(i)"}
        names["inputs"] = "*arrays" + _keywords(rule)
        head = _SENDING.format(nodes="nodes", arrays="*arrays", parameters=parameters)
        return head + _TO_ALL + _EDGE.format(**names).replace("\n", "\n    ")
    every = range(len(rule.inputs))
    inputs = _each("x{}", every)
    names["inputs"] = inputs + _keywords(rule)
    head = _SENDING.format(nodes=_each("n{}", every) + ",", arrays=inputs, parameters=parameters)
    edges = (_EDGE.format(n=f"n{i}", x=f"x{i}", i=i, vjp=f"vjp{i}", **names) for i in places)
    return head + "".join(edges)


def _lent(upstream: str, indent: str) -> str:
    """Whether g is memory of the upstream gradient, or one number that stands for many: a leaf's
    gradient is nobody else's, and can be written to."""
    return (
        f"g is {upstream} or (b := g.base) is not None and (\n"
        f"{indent}    b is {upstream} or b is {upstream}.base or not g.flags.writeable\n{indent})"
    )


def _each(form: str, places: Iterable[int]) -> str:
    return ", ".join(form.format(i) for i in places)


def _keywords(rule: Rule) -> str:
    return "".join(f", {name}=parameters['{name}']" for name in rule.keywords)


# --- a graph ------------------------------------------------------------------------------------


def program_text(
    nodes: Sequence[Any], leaves: Mapping[Any, tuple[Any, Any]], sync: bool = False
) -> tuple[str, dict[str, Any]]:
    """The text of the function that runs a graph forward and backward, and what its names are.

    `nodes` stand in the order of the forward pass, the root last; `leaves` come with the shape and
    the dtype that they had when the graph was built. They get their gradients; with `sync` the
    nodes get all that they would have if the graph were built anew.

    >>> from engine import tensor
    >>> w, x = tensor(2.0, requires_grad=True), tensor(3.0)
    >>> leaves = {w: (w.shape, w.dtype), x: (x.shape, x.dtype)}
    >>> print(program_text([w * x], leaves)[0])
    def replay():
        x0 = n0._data
        if x0.shape != shape0 or x0.dtype is not d0:
            x0 = fitting(n0, shape0, d0)
        x1 = n1._data
        if x1.shape != shape1 or x1.dtype is not d1:
            x1 = fitting(n1, shape1, d1)
        x2 = asarray(forward2(m2, x0, x1))
        g2 = seed(None)
        g = vjp2_0(m2, g2, x2, x0, x1)
        if type(g) is not ndarray or g.dtype is not d0:
            g = asarray(g, d0)
        g0 = n0.grad = g
        return x2.item()
    """
    number = {node: i for i, node in enumerate([*leaves, *nodes])}
    graph = _Graph(number, sync)
    for leaf, made_of in leaves.items():
        graph.read(leaf, *made_of)
    for node in nodes:
        graph.forward(node)
    root = nodes[-1]
    graph.names["seed"] = root.seed
    graph.lines += [f"{graph.gradient(root)} = seed(None)"]
    for node in reversed(nodes):
        graph.backward(node)
    graph.lines += [f"return x{number[root]}.item()"]
    return "\n    ".join(["def replay():", *graph.lines]), graph.names


class _Graph:
    """The lines of a program, and what the names in them stand for.

    Of the node with the number i, x{i} is the array, d{i} its dtype, g{i} the gradient, m{i} the
    reading of its rule; c{i}_{k} is a plain operand, p{i}_{name} a parameter.
    """

    def __init__(self, number: dict[Any, int], sync: bool) -> None:
        self.number = number
        self.sync = sync
        self.lines: list[str] = []
        self.names: dict[str, Any] = {f"n{i}": node for node, i in number.items()}
        self.inputs: dict[Any, str] = {}  # as an operation's rule is given them
        self.met: set[Any] = set()

    def read(self, leaf: Any, shape: Any, dtype: Any) -> None:
        i = self.number[leaf]
        self.names |= {f"shape{i}": shape, f"d{i}": dtype}
        self.lines += [
            f"x{i} = n{i}._data",
            f"if x{i}.shape != shape{i} or x{i}.dtype is not d{i}:",
            f"    x{i} = fitting(n{i}, shape{i}, d{i})",
        ]

    def forward(self, node: Any) -> None:
        i, rule = self.number[node], node.rule
        dtype = node.reading.dtype
        operands = [self._operand(node, place) for place in range(len(node.operands))]
        keywords = "".join(f", {name}=p{i}_{name}" for name in node.arguments)
        self.names |= {f"p{i}_{name}": value for name, value in node.arguments.items()}
        self.names |= {f"d{i}": node.dtype, f"m{i}": node.reading, f"forward{i}": rule.forward}
        arrays = ", ".join(operands)
        dtypes = [self.names[f"d{self.number[x]}"] for x in node.operands if self._has(x)]
        if rule.mixed or all(d == dtype for d in dtypes):
            call = f"forward{i}(m{i}, {arrays}{keywords})"
            call = call if node.ndim else f"asarray({call})"
        else:  # a constant of another dtype is cast at each replay: its data may be other
            self.names |= {f"rule{i}": rule, f"p{i}": node.arguments}
            self.lines += [f"xs{i}, d = prepared(rule{i}, [{arrays}])"]
            call, arrays = f"forward(rule{i}, d, xs{i}, p{i})", f"*xs{i}"
        self.lines += [f"x{i} = {call}"]
        if self.sync:
            self.lines += [f"n{i}._data = x{i}", f"n{i}.arrays = (m{i}, x{i}, {arrays})"]
        self.inputs[node] = arrays + keywords

    def _has(self, operand: Any) -> bool:
        # A plain operand becomes a node when somebody looks at it: that one is not known here.
        return isinstance(operand, Node) and operand in self.number

    def _operand(self, node: Any, place: int) -> str:
        operand = node.operands[place]
        if self._has(operand):
            return f"x{self.number[operand]}"
        name = f"c{self.number[node]}_{place}"
        self.names[name] = node.inputs[place]
        return name

    def backward(self, node: Any) -> None:
        i = self.number[node]
        for place, operand in node.active:
            j = self.number[operand]
            self.names[f"vjp{i}_{place}"] = node.rule.vjp(place)
            self.lines += [
                f"g = vjp{i}_{place}(m{i}, g{i}, x{i}, {self.inputs[node]})",
                f"if type(g) is not ndarray or g.dtype is not d{j}:",
                f"    g = asarray(g, d{j})",
            ]
            if operand in self.met:
                self.lines += [f"g = asarray(g{j} + g)"]
            elif operand.rule is None and node.rule.lends:
                self.lines += [f"if {_lent(f'g{i}', ' ' * 4)}:", '    g = g.copy("K")']
            self.lines += [f"{self.gradient(operand)} = g"]
            self.met.add(operand)

    def gradient(self, node: Any) -> str:
        """Where a node's gradient goes to."""
        i = self.number[node]
        return f"g{i} = n{i}.grad" if self.sync or node.rule is None else f"g{i}"
