"""What is said of classes of which no instance can be made."""

import os

import pytest
from parent import PACKAGE, Failed


def failed(start, source, **options):
    with pytest.raises(Failed) as caught:
        start(source, **options)
    return caught.value.reason, caught.value.message


def test_modules_that_cannot_be_loaded_are_import_errors(start):
    assert failed(start, "import missing_module") == ("import", "No module named 'missing_module' (model.py, line 1)")
    assert failed(start, "1 / 0") == ("import", "ZeroDivisionError: division by zero (model.py, line 1)")
    assert failed(start, "import sys; sys.exit(4)") == ("import", "SystemExit: 4 (model.py, line 1)")
    reason, message = failed(start, "x = 1\ndef f(:")
    assert reason == "import" and message.endswith("(model.py, line 2)") and message.count("line") == 1
    assert failed(start, "", target="nowhere:Model") == ("import", "No module named 'nowhere'")
    assert failed(start, "", target="model") == ("import", "'model' names no class: want my.module:Class")
    assert failed(start, "Model = 3") == ("import", "'model:Model' is an int, not a class")
    model = "import ekiben\nclass Model(ekiben.Runnable):\n    @ekiben.Runnable.method\n    def f(self): ..."
    reason, message = failed(start, model, target="model:Modell")
    assert (reason, message) == ("import", "module 'model' has no class 'Modell', but Model")


def test_constructors_that_fail_are_init_errors(start):
    source = """
        import ekiben, sys
        class Model(ekiben.Runnable):
            def __init__(self, path):
                if path == "exit":
                    sys.exit(1)
                open(path)
            @ekiben.Runnable.method
            def predict(self, x): ...
    """
    reason, message = failed(start, source, init={"path": "nowhere"})
    assert reason == "init" and message.endswith("'nowhere' (model.py, line 7)")
    assert failed(start, source, init={"path": "exit"}) == ("init", "SystemExit: 1 (model.py, line 6)")
    assert failed(start, source)[1].startswith("TypeError: ") and "path" in failed(start, source)[1]


def test_failures_name_the_programs_last_line(start, tmp_path):
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "lib.py").write_text("import json\ndef load(text):\n    return json.loads(text)\n")
    (tmp_path / "parts.py").write_text("import lib\n\ndef load():\n    lib.load('{')\n")
    env = {"PYTHONPATH": f"{PACKAGE}{os.pathsep}{library}"}
    assert failed(start, "import parts\nparts.load()", env=env)[1].endswith("(parts.py, line 4)")
    source = "import ekiben, sys\nsys.path.insert(0, '.')\nimport parts\nclass Model(ekiben.Runnable):\n"
    source += "    def __init__(self):\n        parts.load()\n    @ekiben.Runnable.method\n    def f(self): ...\n"
    assert failed(start, source, env=env)[1].endswith("(parts.py, line 4)")
    (library / "alone.py").write_text("\nimport lib; lib.load('{')\n")
    assert failed(start, "", target="alone:Model", env=env)[1].endswith(f"({library}/lib.py, line 3)")


def test_the_traceback_of_a_failure_is_told_unless_it_is_all_ours(start):
    for source, target in (("import missing_module", "model:Model"), ("1 / 0", "model:Model")):
        for describe in (False, True):
            with pytest.raises(Failed) as caught:
                start(source, target=target, describe=describe)
            assert "Traceback" in caught.value.traceback and 'model.py", line 1' in caught.value.traceback
    with pytest.raises(Failed) as caught:
        start("import ekiben\nclass Model:\n    @ekiben.Runnable.method\n    def f(self, *x): ...")
    assert caught.value.reason == "signature" and caught.value.traceback == ""


def test_methods_that_cannot_be_served_are_signature_errors(start):
    source = """
        import ekiben
        class Model:
            @ekiben.Runnable.method(batchable=True)
            def predict(self, text: str): ...
    """
    reason, message = failed(start, source)
    assert reason == "signature"
    assert message.startswith("method 'predict' of Model: argument 'text' is declared as str")
    source = """
        import bentoml
        class Odd(bentoml.Runnable):
            @bentoml.Runnable.method(batchable=True, batch_dim=-1)
            def predict(self, x): ...
        class Model(bentoml.Runnable):
            @bentoml.Runnable.method
            def predict(self, x): ...
    """
    assert start(source).signature("predict")
    assert failed(start, source, target="model:Odd") == (
        "signature",
        "method 'predict' of Odd: batch_dim is -1, want a dimension counted from 0, or two: (in, out)",
    )
    source = "import ekiben\nclass Model(ekiben.Runnable):\n    def predict(self, x): ..."
    assert failed(start, source)[0] == "signature"


def test_failures_that_cannot_be_told_are_reported_all_the_same(start):
    for line, message in (
        ("raise SyntaxError('odd', ('file', 'one', [], 3))", "SyntaxError: odd (file)"),
        ("raise type('Leaving', (Exception,), {'__str__': lambda self: sys.exit(9)})", "Leaving"),
        ("os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); 1 / 0", "ZeroDivisionError: division by zero"),
    ):
        reason, told = failed(start, f"import os, sys\n{line}")
        assert reason == "import" and told.startswith(message)
