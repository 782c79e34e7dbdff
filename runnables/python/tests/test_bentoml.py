"""Classes written for BentoML, with the stand-in and with the real package."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from parent import PACKAGE, Failed

# A Python that has the real package, for the tests that want both.
REAL = os.environ.get("BENTOML_PYTHON") or (sys.executable if importlib.util.find_spec("bentoml") else "")
needs_real = pytest.mark.skipif(not REAL, reason="bentoml is not installed, and BENTOML_PYTHON not set")
without_real = pytest.mark.skipif(
    importlib.util.find_spec("bentoml") is not None, reason="the real bentoml is installed"
)
EITHER = [
    pytest.param(sys.executable, marks=without_real, id="stand-in"),
    pytest.param(REAL, marks=needs_real, id="real"),
]

SENTIMENT = """
    import bentoml
    from bentoml.io import Text, JSON
    from statistics import mean


    class NLTKSentimentAnalysisRunnable(bentoml.Runnable):

        SUPPORT_NVIDIA_GPU = False
        SUPPORT_CPU_MULTI_THREADING = False

        def __init__(self):
            self.scores = {"great": 0.6, "awful": -0.5}

        @bentoml.Runnable.method(batchable=False)
        def is_positive(self, input_text):
            scores = [self.scores.get(word, 0) for word in input_text.split()]
            return mean(scores) > 0

    nltk_runner = bentoml.Runner(NLTKSentimentAnalysisRunnable)

    svc = bentoml.Service('sentiment_analyzer', runners=[nltk_runner])

    @svc.api(input=Text(), output=JSON())
    def analysis(input_text):
        is_positive = nltk_runner.is_positive.run(input_text)
        return { "is_positive": is_positive }
"""

REUSABLE = """
    import bentoml
    import numpy as np

    class MyModelRunnable(bentoml.Runnable):
        SUPPORTED_RESOURCES = ("nvidia.com/gpu", "cpu")
        SUPPORTS_CPU_MULTI_THREADING = True

        def __init__(self, model_file):
            self.weight = float(model_file)

        @bentoml.Runnable.method(batchable=True, batch_dim=0)
        def predict(self, input_tensor):
            return self.weight * input_tensor

        @bentoml.Runnable.method(batchable=True, batch_dim=(0, 1))
        def turned(self, input_tensor: np.ndarray):
            return input_tensor.T

        @bentoml.Runnable.method
        def reject(self, x):
            raise bentoml.exceptions.InvalidArgument("x is no good")

        def add(self, a, b):
            return a + b

    MyModelRunnable.add_method(MyModelRunnable.add, "sum", batchable=True)

    class Child(MyModelRunnable):
        @bentoml.Runnable.method
        def more(self, x: int) -> int:
            return x + 1

    my_runner_1 = bentoml.Runner(MyModelRunnable, name="my_runner_1", runnable_init_params={"model_file": "1"})
    my_runner_2 = bentoml.Runner(MyModelRunnable, name="my_runner_2", runnable_init_params={"model_file": "2"})
    svc = bentoml.Service("model", runners=[my_runner_1, my_runner_2])
"""


@pytest.mark.parametrize("python", EITHER)
def test_the_sentiment_runnable_of_the_page_runs_unchanged(start, python):
    parent = start(SENTIMENT, target="model:NLTKSentimentAnalysisRunnable", python=python)
    assert parent.inputs("is_positive") == [{"name": "input_text", "datatype": "ANY", "shape": None, "content": "json"}]
    for text, positive in (("BentoML is great", b"true"), ("it is awful", b"false")):
        assert parent.call("is_positive", f'"{text}"') == [positive]


@pytest.mark.parametrize("python", EITHER)
def test_a_reusable_runnable_runs_unchanged(start, python):
    parent = start(REUSABLE, target="model:MyModelRunnable", init={"model_file": "2.5"}, python=python)
    assert [method["name"] for method in parent.ready["methods"]] == ["predict", "turned", "reject", "sum"]
    assert parent.ready["resources"]["nvidia_gpu"] and parent.ready["resources"]["multi_threading"]
    assert parent.signature("turned")["batch_dim"] == {"in": 0, "out": 1}
    array = np.ones((3, 100_000), np.float32)
    assert np.array_equal(parent.call("predict", array), 2.5 * array)
    assert np.array_equal(parent.call("turned", array), array.T)
    assert parent.call("sum", np.array([1, 2]), np.array([10, 20])).tolist() == [11, 22]
    with pytest.raises(Failed, match="input: .*x is no good"):
        parent.call("reject", np.array(1))


@pytest.mark.parametrize("python", EITHER)
def test_a_subclass_has_its_own_methods_and_its_parents(start, python):
    parent = start(REUSABLE, target="model:Child", init={"model_file": "1"}, python=python)
    names = [method["name"] for method in parent.ready["methods"]]
    assert sorted(names) == ["more", "predict", "reject", "sum", "turned"]
    assert parent.call("more", np.array(1)) == 2


@pytest.mark.parametrize("python", EITHER)
def test_what_bentoml_would_mangle_is_refused(start, python):
    source = """
        import bentoml
        class Model(bentoml.Runnable):
            @bentoml.Runnable.method(batchable=True)
            def predict(self, text: str): ...
    """
    with pytest.raises(Failed, match="signature: .*declare list.str"):
        start(source, python=python)


@pytest.mark.parametrize("python", EITHER)
def test_a_runner_is_not_a_class(start, python):
    with pytest.raises(Failed, match="name its class, model:NLTKSentimentAnalysisRunnable"):
        start(SENTIMENT, target="model:nltk_runner", python=python)


@without_real
def test_what_needs_the_real_package_says_so_when_it_is_used(start):
    source = """
        import bentoml
        import bentoml.models
        from bentoml import pytorch
        bento_model = bentoml.pytorch.get("fraud_detect:latest")
    """
    with pytest.raises(Failed, match=r"import: bentoml\.pytorch\.get needs the package bentoml.*pip install"):
        start(source)
    source = """
        import bentoml
        class Model(bentoml.legacy.Runnable): ...
    """
    with pytest.raises(Failed, match=r"import: bentoml\.legacy\.Runnable needs the package bentoml"):
        start(source)


@without_real
def test_services_and_runners_do_no_harm_at_module_level(start):
    source = """
        import bentoml
        from bentoml.io import File, Image, JSON, Multipart, NumpyNdarray, PandasDataFrame, Text
        from bentoml.exceptions import BadInput, BentoMLException
        from bentoml.models import get

        class Model(bentoml.Runnable):
            @bentoml.Runnable.method(batchable=True)
            def predict(self, x):
                return x

        runner = bentoml.Runner(Model, models=[], max_batch_size=10, strategy=None, cpu=4)
        assert runner.name == "model" and runner.options["cpu"] == 4
        svc = bentoml.Service(__name__, runners=[runner], models=[])
        spec = Multipart(image=Image(), annotations=NumpyNdarray.from_sample([[1]]))

        @svc.api(input=spec, output=PandasDataFrame(), route="/x")
        async def classify(image, ctx: bentoml.Context):
            return await runner.predict.async_run(image)

        @svc.on_startup
        def prepare(context): ...

        svc.add_asgi_middleware(object)
        assert classify.__name__ == "classify" and prepare.__name__ == "prepare"
        assert issubclass(BadInput, BentoMLException)
    """
    parent = start(source, env={"EKIBEN_RUNNER": "letters"})
    assert parent.call("predict", np.array([1])).tolist() == [1]
    assert parent.output().count("\n") == 1
    assert "the APIs of the service 'model' are not served" in parent.output()
    assert "/v1/runners/letters/" in parent.output()


@without_real
def test_a_service_without_apis_is_not_mentioned(start):
    assert start(REUSABLE, init={"model_file": "1"}, target="model:Child").output() == ""


def test_the_real_package_is_never_hidden(tmp_path):
    package = tmp_path / "bentoml"
    package.mkdir()
    (package / "__init__.py").write_text("REAL = True\n")
    script = (
        "from ekiben import standin; standin.install(); standin.install()\n"
        "import bentoml, sys\n"
        "assert bentoml.REAL and sum(isinstance(f, standin.Finder) for f in sys.meta_path) == 1\n"
        "try: import bentoml.io\n"
        "except ModuleNotFoundError: pass\n"
        "else: raise AssertionError\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE), str(tmp_path)])}
    subprocess.run([sys.executable, "-c", script], check=True, env=env)
