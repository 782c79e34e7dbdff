"""Trains the classifier that iris.py serves, and writes it to iris.joblib."""

import joblib
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

x, y = load_iris(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
model = SVC(gamma="scale").fit(x_train, y_train)
print(f"accuracy on {len(y_test)} flowers that it has not seen: {model.score(x_test, y_test):.3f}")
joblib.dump(model, "iris.joblib")
