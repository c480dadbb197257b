"""A dense net and a convolutional one read handwritten digits: five stratified test splits each."""

import time

import engine
import nn
import viz
from demos import digits
from engine import tensor
from nn import functional as F


# %% The nets
def dense():
    """64-128-10."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def convolutional():
    """Two convolutions, 16 and 32 channels, each with ReLU and pooling; then one linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


EPOCHS = {dense: 30, convolutional: 12}


# %% The data: a fifth of each digit is kept for testing
def split(seed):
    """(training images, their labels, test images, their labels); images of shape (n, 1, 8, 8)."""
    images, labels = digits.load()
    from sklearn.model_selection import train_test_split

    train, test, train_labels, test_labels = train_test_split(
        images.reshape(-1, 1, 8, 8), labels, test_size=0.2, stratify=labels, random_state=seed
    )
    return train, train_labels, test, test_labels


# %% The training
def train(make, seed, epochs=None):
    """The net after training with this seed, and its accuracy on the test images."""
    images, labels, test, test_labels = split(seed)
    engine.manual_seed(seed)
    model, epochs = make(), epochs or EPOCHS[make]
    batches = nn.data.DataLoader(nn.data.TensorDataset(images, labels), 32, shuffle=True)
    optimizer = nn.optim.AdamW(model.parameters(), weight_decay=0.1)
    cycle = nn.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.01, epochs=epochs, steps_per_epoch=len(batches)
    )
    callbacks = [nn.Progress(), nn.Schedule(cycle, each_batch=True)]
    nn.fit(model, batches, F.cross_entropy, optimizer, epochs=epochs, callbacks=callbacks)
    return model, nn.accuracy(model.eval()(tensor(test)), test_labels)


if __name__ == "__main__":
    for make in (dense, convolutional):
        accuracies = []
        for seed in range(5):
            start = time.perf_counter()
            model, accuracy = train(make, seed)
            seconds = time.perf_counter() - start
            accuracies.append(accuracy)
            print(f"{make.__name__} net, split {seed}: accuracy {accuracy:.3f} in {seconds:.1f} s")
        print(f"{make.__name__} net: mean accuracy {sum(accuracies) / 5:.4f}")

    # %% The last net, on the images it was not trained with
    _, _, images, labels = split(4)
    loss = F.cross_entropy(model(tensor(images, label="images")), tensor(labels, label="labels"))
    loss.backward()
    viz.draw(loss, names={"loss": loss}).save("digit_nets.svg")
