"""Trains the model of this example and writes digits.onnx and heldout.csv.

    python3 -m venv /tmp/digits && /tmp/digits/bin/pip install -r requirements.txt
    /tmp/digits/bin/python train.py

The data are scikit-learn's digits: 1797 images of 8x8 pixels, each from 0 to 16.
"""

import pathlib

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

HERE = pathlib.Path(__file__).parent


def main():
    digits = load_digits()
    images = digits.data.astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        images, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    model = make_pipeline(
        MinMaxScaler(feature_range=(0, 1)),
        MLPClassifier(hidden_layer_sizes=(64, 32), max_iter=400, random_state=0),
    )
    model.fit(train_x, train_y)
    accuracy = model.score(test_x, test_y)

    onnx = to_onnx(
        model,
        initial_types=[("images", FloatTensorType([None, 64]))],
        options={id(model): {"zipmap": False}},
        target_opset=17,
    )
    rename(onnx, {"output_label": "digits", "label": "digits", "output_probability": "probabilities"})
    (HERE / "digits.onnx").write_bytes(onnx.SerializeToString())

    rows = np.column_stack([test_y, test_x.astype(int)])
    np.savetxt(HERE / "heldout.csv", rows, fmt="%d", delimiter=",")
    print(f"{accuracy:.4f} of {len(test_y)} held-out images are read right ({round(accuracy * len(test_y))})")


def rename(model, names):
    """Gives the outputs names that say what they are."""
    for output in model.graph.output:
        new = names.get(output.name, output.name)
        for node in model.graph.node:
            for i, name in enumerate(node.output):
                if name == output.name:
                    node.output[i] = new
            for i, name in enumerate(node.input):
                if name == output.name:
                    node.input[i] = new
        output.name = new


if __name__ == "__main__":
    main()
