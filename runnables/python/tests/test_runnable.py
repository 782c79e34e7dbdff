"""How methods and flags are declared."""

import numpy as np
import pytest

import ekiben
from ekiben.errors import SignatureError
from ekiben.methods import served
from ekiben.runnable import resources_of


def names(cls):
    return [method.name for method in served(cls)]


def test_methods_are_marked_with_and_without_options():
    class Model(ekiben.Runnable):
        @ekiben.Runnable.method
        def bare(self, x): ...

        @ekiben.Runnable.method()
        def called(self, x): ...

        @ekiben.Runnable.method(batchable=True, batch_dim=(1, 0))
        def batched(self, x): ...

        def hidden(self, x): ...

    bare, called, batched = (method.signature() for method in served(Model))
    assert not bare["batchable"] and "batch_dim" not in bare
    assert called["name"] == "called"
    assert batched["batch_dim"] == {"in": 1, "out": 0}


def test_any_class_with_a_marked_method_will_do():
    class Model:
        @ekiben.Runnable.method
        def double(self, x):
            return 2 * x

    assert names(Model) == ["double"]
    assert Model().double(21) == 42


def test_a_class_without_methods_is_refused():
    class Model(ekiben.Runnable):
        def predict(self, x): ...

    with pytest.raises(SignatureError, match=r"no methods.*@ekiben\.Runnable\.method"):
        served(Model)


def test_a_subclass_leaves_its_parent_as_it_was():
    class Parent(ekiben.Runnable):
        @ekiben.Runnable.method
        def first(self, x): ...

    class Child(Parent):
        @ekiben.Runnable.method
        def second(self, x): ...

    Child.add_method(lambda self, x: x, "third")
    assert names(Parent) == ["first"]
    assert names(Child) == ["first", "second", "third"]


def test_an_overriding_method_is_served_with_the_options_of_the_one_that_it_overrides():
    class Parent(ekiben.Runnable):
        @ekiben.Runnable.method(batchable=True)
        def predict(self, x):
            return x

        @ekiben.Runnable.method
        def other(self, x): ...

    class Child(Parent):
        other = None

        def predict(self, y):
            return -y

    (method,) = served(Child)
    method.bind(Child())
    assert method.batchable and method.inputs[0].name == "y"
    assert method.run([np.array([1, 2])]).tolist() == [-1, -2]


def test_methods_are_added_to_a_class():
    class Model(ekiben.Runnable):
        factor = 3

    Model.add_method(lambda self, x: self.factor * x, "times", batchable=True, batch_dim=1)
    (method,) = served(Model)
    assert method.name == "times" and method.batch_in == method.batch_out == 1
    assert Model().times(2) == 6
    with pytest.raises(TypeError, match="class of your own"):
        ekiben.Runnable.add_method(lambda self, x: x, "times")


def test_instances_are_too_late_for_methods_and_flags():
    class Model(ekiben.Runnable): ...

    model = Model()
    for name in ("method", "add_method"):
        with pytest.raises(AttributeError, match=rf"Model\.{name}"):
            getattr(model, name)
    for flag in (
        "SUPPORTED_RESOURCES",
        "SUPPORTS_CPU_MULTI_THREADING",
        "SUPPORT_NVIDIA_GPU",
        "SUPPORT_CPU_MULTI_THREADING",
    ):
        with pytest.raises(AttributeError, match="read from the class"):
            setattr(model, flag, True)
    model.threads = 4
    assert model.threads == 4


CPU = {"nvidia_gpu": False, "no_cpu": False, "multi_threading": False, "custom": []}


@pytest.mark.parametrize(
    ("flags", "want"),
    [
        ({}, {}),
        ({"SUPPORTED_RESOURCES": ()}, {}),
        ({"SUPPORTED_RESOURCES": ("cpu",)}, {}),
        ({"SUPPORTED_RESOURCES": ("nvidia.com/gpu",)}, {"nvidia_gpu": True, "no_cpu": True}),
        ({"SUPPORTED_RESOURCES": "nvidia.com/gpu"}, {"nvidia_gpu": True, "no_cpu": True}),
        ({"SUPPORTED_RESOURCES": ["nvidia.com/gpu", "cpu"]}, {"nvidia_gpu": True}),
        ({"SUPPORTED_RESOURCES": ("cpu", "tpu", "tpu")}, {"custom": ["tpu"]}),
        ({"SUPPORTS_CPU_MULTI_THREADING": True}, {"multi_threading": True}),
        ({"SUPPORT_NVIDIA_GPU": True}, {"nvidia_gpu": True}),
        ({"SUPPORT_NVIDIA_GPU": False, "SUPPORT_CPU_MULTI_THREADING": True}, {"multi_threading": True}),
        ({"SUPPORTED_RESOURCES": ("cpu",), "SUPPORT_NVIDIA_GPU": True}, {"nvidia_gpu": True}),
    ],
)
@pytest.mark.parametrize("base", [ekiben.Runnable, object])
def test_flags_are_read_in_both_spellings(flags, want, base):
    assert resources_of(type("Model", (base,), flags)) == {**CPU, **want}


def test_the_nearest_class_that_sets_a_flag_decides():
    class Gpu(ekiben.Runnable):
        SUPPORTED_RESOURCES = ("nvidia.com/gpu", "cpu")
        SUPPORTS_CPU_MULTI_THREADING = True

    class Old(Gpu):
        SUPPORT_NVIDIA_GPU = False

    class Renamed(Gpu): ...

    assert resources_of(Old) == {**CPU, "multi_threading": True}
    assert resources_of(Renamed) == {**CPU, "nvidia_gpu": True, "multi_threading": True}


def test_resources_that_are_no_names_are_refused():
    with pytest.raises(SignatureError, match="SUPPORTED_RESOURCES has 4"):
        resources_of(type("Model", (), {"SUPPORTED_RESOURCES": ("cpu", 4)}))


@pytest.mark.parametrize("dim", [-1, (0,), (0, -1), (0, 1, 2), ("a", 0)])
def test_batch_dimensions_that_are_none_are_refused(dim):
    class Model:
        @ekiben.Runnable.method(batchable=True, batch_dim=dim)
        def predict(self, x): ...

    with pytest.raises(SignatureError, match="method 'predict' of Model: batch_dim is"):
        served(Model)


def test_only_plain_methods_can_be_marked():
    with pytest.raises(SignatureError, match="plain method"):
        ekiben.Runnable.method(staticmethod(len))


def test_names_become_those_that_runners_can_have():
    class Model:
        @ekiben.Runnable.method
        def __call__(self, x): ...

        @ekiben.Runnable.method
        def predictProba(self, x): ...  # noqa: N802

        @ekiben.Runnable.method
        def _private(self, x): ...

    assert names(Model) == ["call", "predictproba", "private"]


def test_names_that_cannot_be_told_apart_are_refused():
    class Model:
        @ekiben.Runnable.method
        def run(self, x): ...

        @ekiben.Runnable.method
        def Run(self, x): ...  # noqa: N802

    with pytest.raises(SignatureError, match="'run' and 'Run'.*rename one"):
        served(Model)


def test_names_that_cannot_be_served_are_refused():
    Model = type("Model", (ekiben.Runnable,), {})
    Model.add_method(lambda self, x: x, "größe")
    with pytest.raises(SignatureError, match="rename it"):
        served(Model)
