"""A Keras script, ported: a classifier of random labels, 10-1, Adam, ten epochs of batches of 32.

What Keras has and this has not stands in comments, above the lines that take its place. Layers are
given their number of inputs; `compile` and `fit` are one call.
"""
# ruff: noqa: NPY002

import numpy as np

# from keras.models import Sequential
# from keras.layers import Dense
# from keras.optimizers import Adam
from nn import Linear, ReLU, Sequential, Sigmoid, binary_accuracy, evaluate, fit
from nn.data import DataLoader, TensorDataset
from nn.functional import binary_cross_entropy
from nn.optim import Adam

X = np.random.rand(100, 10)
y = np.random.randint(0, 2, size=(100, 1))

model = Sequential()
# model.add(Dense(10, activation="relu", input_dim=10))
model.append(Linear(10, 10)).append(ReLU())
# model.add(Dense(1, activation="sigmoid"))
model.append(Linear(10, 1)).append(Sigmoid())

# model.compile(optimizer=Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
# history = model.fit(X, y, epochs=10, batch_size=32).history
data = DataLoader(TensorDataset(X, y), batch_size=32, shuffle=True)
optimizer, metrics = Adam(model.parameters(), 0.01), {"accuracy": binary_accuracy}
history = fit(model, data, binary_cross_entropy, optimizer, epochs=10, metrics=metrics)

# loss, accuracy = model.evaluate(X, y)
loss, accuracy = evaluate(model, data, binary_cross_entropy, metrics).values()
print(f"loss = {loss:.4f}, accuracy = {accuracy:.2f}")
