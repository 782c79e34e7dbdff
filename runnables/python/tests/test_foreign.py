"""Values of pandas, Pillow and PyTorch."""

import io
import json
from typing import Annotated, List

import numpy as np
import pytest
from test_values import bfloat16, documents, given, items, method_of, sent

import ekiben
from ekiben.channel import Items
from ekiben.errors import InputError, OutputError, SignatureError


def input_of(annotation, **options):
    def method(self, x): ...

    method.__annotations__["x"] = annotation
    (spec,) = method_of(method, **options).signature()["inputs"]
    return spec


class TestPandas:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")

    def test_a_data_frame_is_a_record_for_each_row(self):
        spec = input_of(self.pandas.DataFrame, batchable=True)
        assert spec == {"name": "x", "datatype": "BYTES", "shape": [-1], "content": "json"}
        frame = given(self.pandas.DataFrame, items({"a": 1, "b": "x"}, {"a": 2, "b": None}), batchable=True)
        assert isinstance(frame, self.pandas.DataFrame)
        assert frame["a"].tolist() == [1, 2] and list(frame.columns) == ["a", "b"]

    def test_rows_may_be_lists(self):
        frame = given(self.pandas.DataFrame, items([1, 2], [3, 4]))
        assert frame.to_numpy().tolist() == [[1, 2], [3, 4]]

    def test_a_series_has_a_value_for_each_row(self):
        series = given(self.pandas.Series, items(1.5, 2.5), batchable=True)
        assert isinstance(series, self.pandas.Series) and series.tolist() == [1.5, 2.5]

    def test_annotations_may_be_strings_without_an_import(self):
        def method(self, x: "pd.DataFrame") -> "pd.Series": ...  # noqa: F821

        signature = method_of(method, batchable=True).signature()
        assert signature["inputs"][0]["content"] == signature["outputs"][0]["content"] == "json"

    def test_what_makes_no_frame_is_the_callers_fault(self):
        with pytest.raises(InputError, match="does not make a pandas.DataFrame"):
            given(self.pandas.DataFrame, items({"a": 1}, 2), batchable=True)

    def test_columns_of_one_name_are_refused(self):
        for columns in (["a", "b", "a"], [1, "1", "c"]):
            frame = self.pandas.DataFrame([[1, 2, 3]], columns=columns)
            for rows, value in ((1, frame), (None, frame), (None, {"x": frame})):
                with pytest.raises(OutputError, match="has several columns '[a1]'"):
                    sent(value, rows)

    def test_frames_are_batched_along_rows_only(self):
        with pytest.raises(SignatureError, match="batch_dim=0"):
            input_of(self.pandas.DataFrame, batchable=True, batch_dim=1)

    def test_a_frame_is_sent_as_records(self):
        frame = self.pandas.DataFrame({"a": [1, 2], "b": [0.5, None], "c": ["x", None]})
        frame["d"] = self.pandas.to_datetime(["2024-02-29", None])
        want = [
            {"a": 1, "b": 0.5, "c": "x", "d": "2024-02-29T00:00:00"},
            {"a": 2, "b": None, "c": None, "d": None},
        ]
        assert documents(frame, 2) == ((2,), want)
        assert documents(frame, 2, annotation=self.pandas.DataFrame) == ((2,), want)
        assert documents(frame) == ((), [want])
        assert documents({"frame": frame}) == ((), [{"frame": want}])
        assert documents(self.pandas.DataFrame(index=range(2)), 2) == ((2,), [{}, {}])

    def test_a_series_of_numbers_stays_a_tensor(self):
        assert sent(self.pandas.Series([1, 2]), 2) == ("INT64", (2,), [1, 2])
        assert documents(self.pandas.Series(["a", None]), 2) == ((2,), ["a", None])
        assert documents(self.pandas.Series([1, None], dtype="Int64"), 2) == ((2,), [1, None])
        assert documents(self.pandas.Series([1, 2]), 2, annotation=self.pandas.Series) == ((2,), [1, 2])

    def test_the_rows_of_a_frame_are_counted(self):
        with pytest.raises(OutputError, match="has 3 rows for 2"):
            sent(self.pandas.DataFrame({"a": [1, 2, 3]}), 2)

    def test_a_model_of_frames_runs_in_the_bridge(self, start):
        source = """
            import ekiben, pandas as pd
            class Model(ekiben.Runnable):
                @ekiben.Runnable.method(batchable=True)
                def total(self, x: pd.DataFrame):
                    return x.sum(axis=1)
        """
        parent = start(source)
        assert parent.call("total", ['{"a": 1, "b": 2}', '{"a": 3, "b": 4}']).tolist() == [3, 7]


class TestPillow:
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

    def png(self, color=(255, 0, 0)):
        out = io.BytesIO()
        self.Image.new("RGB", (3, 2), color).save(out, "PNG")
        return out.getvalue()

    @pytest.mark.parametrize("named", ["class", "module"])
    def test_an_image_is_decoded(self, named):
        annotation = self.Image.Image if named == "class" else self.Image
        assert input_of(annotation) == {"name": "x", "datatype": "BYTES", "shape": []}
        image = given(annotation, items(self.png(), shape=()))
        assert image.size == (3, 2) and image.getpixel((0, 0)) == (255, 0, 0)

    def test_images_are_batched_as_lists(self):
        images = given(List[self.Image.Image], Items([self.png(), self.png()], (2,)), batchable=True)
        assert [image.size for image in images] == [(3, 2)] * 2
        with pytest.raises(SignatureError, match=r"list\[PIL.Image.Image\]"):
            input_of(self.Image.Image, batchable=True)

    def test_what_is_no_image_is_the_callers_fault(self):
        for wrong in (b"", b"text", self.png()[:40]):
            with pytest.raises(InputError, match="argument 'x' is no image") as caught:
                given(self.Image.Image, items(wrong, shape=()))
            assert "0x" not in str(caught.value)
        images = Items([self.png(), b"text"], (2,))
        with pytest.raises(InputError, match="argument 'x' is wrong in row 1: it is no image of a format"):
            given(List[self.Image.Image], images, batchable=True)

    @pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK", "F"])
    def test_an_image_is_sent_as_png(self, mode):
        image = self.Image.new("RGB", (3, 2), (255, 255, 255)).convert(mode)
        _, shape, (data,) = sent(image, annotation=self.Image.Image)
        assert shape == () and self.Image.open(io.BytesIO(data)).size == (3, 2)
        _, shape, (data, _) = sent([image, image], 2, List[self.Image.Image])
        assert shape == (2,) and data.startswith(b"\x89PNG")

    def test_an_image_that_is_not_declared_is_base64(self):
        (document,) = documents(self.Image.new("L", (1, 1)))[1]
        assert document.startswith("iVBORw0KGgo")

    def test_what_is_no_image_is_an_output_error(self):
        with pytest.raises(OutputError, match="declared is PIL.Image.Image"):
            sent(np.zeros((2, 2, 3)), annotation=self.Image.Image)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


class TestTorch:
    def test_a_tensor_has_the_memory_that_arrived(self, torch):
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        for annotation in (torch.Tensor, Annotated[torch.Tensor, ekiben.Tensor("float32", (-1, 3))]):
            tensor = given(annotation, array, batchable=True)
            assert isinstance(tensor, torch.Tensor) and tensor.data_ptr() == array.ctypes.data
        assert input_of(torch.Tensor, batchable=True)["datatype"] == "ANY"

    def test_bfloat16_arrives(self, torch):
        tensor = given(torch.Tensor, bfloat16(0x3F80, 0xC000), batchable=True)
        assert tensor.dtype == torch.bfloat16 and tensor.tolist() == [1.0, -2.0]

    def test_text_is_no_tensor(self, torch):
        with pytest.raises(InputError, match="want a tensor of numbers"):
            given(torch.Tensor, items("a"), batchable=True)

    def test_a_tensor_is_sent(self, torch):
        assert sent(torch.ones(2, 2, requires_grad=True).T, 2) == ("FP32", (2, 2), [[1, 1], [1, 1]])
        assert sent(torch.tensor([1.0, -2.0], dtype=torch.bfloat16), 2) == ("BF16", (2,), [0x3F80, 0xC000])
        assert documents({"x": torch.ones(2)}) == ((), [{"x": [1.0, 1.0]}])


def test_arrays_of_other_libraries_are_sent():
    class Foreign:
        def __array__(self, dtype=None, copy=None):
            return np.array([1, 2], np.int32)

    assert sent(Foreign(), 2) == ("INT32", (2,), [1, 2])
    assert json.loads(json.dumps(sent(Foreign()))) == ["INT32", [2], [1, 2]]


def test_none_of_the_libraries_is_imported_for_nothing(start):
    source = """
        import ekiben, sys
        class Model(ekiben.Runnable):
            @ekiben.Runnable.method
            def loaded(self):
                return [name for name in ("pandas", "torch", "PIL", "asyncio.runners") if name in sys.modules]
    """
    assert start(source).call("loaded") == [b"[]"]
