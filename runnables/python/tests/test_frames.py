"""The frames that both ends are tested against, read and written."""

import json
import os
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from parent import region

from ekiben import wire
from ekiben.channel import Call, Channel, Items
from ekiben.dtypes import BYTES, NAMES, NUMPY, Tensor
from ekiben.errors import ProtocolError
from ekiben.regions import Regions

FRAMES = Path(__file__).resolve().parents[2] / "process" / "testdata" / "frames"
GOLDEN = sorted(FRAMES.glob("*.json"))
KINDS = {"START": 1, "READY": 2, "FAILED": 3, "CALL": 4, "RESULT": 5, "ERROR": 6}
FLAGS = {"line": 0, "region": wire.IN_REGION, "nothing": wire.LEFT_OUT}


def golden(path):
    return json.loads(path.read_text()), path.with_suffix(".bin").read_bytes()


def header_of(described):
    code = described.get("dtype", 0)
    assert not code or NAMES[code] == described["datatype"]
    shape = tuple(described["shape"] or ())
    return code, shape, FLAGS[described["in"]], described.get("offset", 0), described.get("size", 0)


def described_payload(payload):
    slot = wire.NO_SLOT if payload["slot"] is None else payload["slot"]
    headers = [header_of(tensor) for tensor in payload["tensors"]]
    data = b"".join(bytes.fromhex(t["data_hex"]) for t in payload["tensors"] if "data_hex" in t)
    return payload["method"], payload["rows"], slot, headers, data, payload.get("tail", "").encode()


def test_there_are_golden_frames_of_every_kind():
    assert {golden(path)[0]["kind"] for path in GOLDEN} == set(KINDS)
    reasons = {path.stem for path in GOLDEN if golden(path)[0]["kind"] in ("FAILED", "ERROR")}
    assert reasons == {f"failed_{reason}" for reason in ("import", "signature", "init", "protocol")} | {
        f"error_{reason}" for reason in ("protocol", "input", "output", "memory", "retryable", "runner")
    }


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_frames_are_read_as_described(path):
    described, frame = golden(path)
    length, kind, number = wire.parse_header(frame)
    assert (kind, number) == (KINDS[described["kind"]], described["id"])
    assert length == len(frame) - wire.HEADER.size
    if "body" in described:
        assert json.loads(frame[wire.HEADER.size :]) == described["body"]
        return
    method, rows, slot, headers, data, tail = described_payload(described["payload"])
    parsed = wire.parse_payload(frame, len(frame))
    assert parsed[:4] == (method, rows, slot, headers)
    assert frame[parsed[4] :] == data + tail


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_frames_are_written_as_described(path):
    described, frame = golden(path)
    kind, number = KINDS[described["kind"]], described["id"]
    if "body" in described:
        written = wire.pack_json(kind, number, described["body"])
        assert json.loads(written[wire.HEADER.size :]) == described["body"]
        assert written[4 : wire.HEADER.size] == frame[4 : wire.HEADER.size]
        return
    method, rows, slot, headers, data, tail = described_payload(described["payload"])
    packed = wire.pack_payload(kind, number, (method, rows, slot), headers, len(data), tail)
    assert packed + data + tail == frame


def channels(regions=0):
    ours, theirs = socket.socketpair()
    fds = [region() for _ in range(regions)]
    return ours, Channel(theirs, Regions(fds)), fds


CALLS = [path for path in GOLDEN if golden(path)[0]["kind"] == "CALL"]


@pytest.mark.parametrize("path", CALLS, ids=lambda path: path.stem)
def test_golden_calls_become_arrays_and_elements(path):
    described, frame = golden(path)
    parent, channel, fds = channels(2)
    os.ftruncate(fds[0], 16 << 20)
    parent.sendall(frame)
    call = channel.call()
    assert (call.id, call.rows) == (described["id"], described["payload"]["rows"])
    for value, tensor in zip(call.inputs, described["payload"]["tensors"]):
        data = bytes.fromhex(tensor.get("data_hex", ""))
        if tensor["in"] == "nothing":
            assert value is None
        elif tensor["dtype"] == BYTES:
            assert isinstance(value, Items) and value.shape == tuple(tensor["shape"])
            assert b"".join(len(i).to_bytes(4, "little") + i for i in value.items) == data
        else:
            assert value.shape == tuple(tensor["shape"]) and value.nbytes == tensor["size"]
            if tensor["dtype"] in NUMPY:
                assert value.dtype == NUMPY[tensor["dtype"]]
            if tensor["in"] == "line":
                assert value.tobytes() == data


def test_a_frame_may_arrive_byte_by_byte():
    parent, channel, fds = channels(2)
    os.ftruncate(fds[0], 16 << 20)
    frame = golden(FRAMES / "call_several.json")[1]

    def send():
        for i in range(len(frame)):
            parent.sendall(frame[i : i + 1])

    thread = threading.Thread(target=send)
    thread.start()
    call = channel.call()
    thread.join()
    assert len(call.inputs) == len(golden(FRAMES / "call_several.json")[0]["payload"]["tensors"])


def test_a_frame_larger_than_the_buffer_is_read():
    parent, channel, _ = channels()
    data = np.arange(1 << 20, dtype=np.int64)
    head = wire.pack_payload(wire.CALL, 1, (0, 1, wire.NO_SLOT), [(9, data.shape, 0, 0, data.nbytes)], data.nbytes, b"")
    thread = threading.Thread(target=parent.sendall, args=(head + data.tobytes(),))
    thread.start()
    call = channel.call()
    thread.join()
    assert np.array_equal(call.inputs[0], data)


def test_the_end_of_the_channel_is_no_call():
    parent, channel, _ = channels()
    parent.close()
    assert channel.call() is None


def changed(at, value, path="call_scalar"):
    frame = bytearray((FRAMES / f"{path}.bin").read_bytes())
    frame[at : at + len(value)] = value
    return bytes(frame)


BROKEN = {
    "kind": changed(4, b"\x09"),
    "a result": changed(4, b"\x05"),
    "flags": changed(5, b"\x01"),
    "reserved": changed(6, b"\x01"),
    "length": changed(0, b"\xff\xff\xff\xff"),
    "count": changed(18, b"\xff\xff"),
    "tail": changed(28, b"\x01"),
    "data type": changed(32, b"\x63"),
    "rank": changed(33, b"\xff"),
    "tensor flags": changed(34, b"\x04"),
    "left out with data": changed(34, b"\x02"),
    "offset in line": changed(40, b"\x40"),
    "size": changed(48, b"\x07"),
    "region beyond the end": changed(48, b"\xff\xff\xff\xff\xff\xff", "call_region"),
    "offset in a region": changed(40, b"\x20", "call_region"),
    "a dimension beyond all numbers": changed(56, b"\xff" * 8, "call_region"),
    "shape": changed(56, b"\x05", "call_region"),
    "two frames": (FRAMES / "call_scalar.bin").read_bytes() * 2,
}


@pytest.mark.parametrize("frame", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_frame_is_a_protocol_error(frame):
    parent, channel, fds = channels(2)
    os.ftruncate(fds[0], 16 << 20)
    parent.sendall(frame)
    parent.close()
    with pytest.raises(ProtocolError):
        channel.call()


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 40, 70])
def test_a_frame_that_is_cut_off_is_a_protocol_error(cut):
    parent, channel, _ = channels()
    parent.sendall((FRAMES / "call_scalar.bin").read_bytes()[:cut])
    parent.close()
    with pytest.raises(ProtocolError):
        channel.call()


def test_bytes_whose_elements_do_not_fit_are_a_protocol_error():
    parent, channel, _ = channels()
    parent.sendall(changed(56 + 8, b"\x05\x00\x00\x00", "call_bytes"))
    with pytest.raises(ProtocolError, match="BYTES"):
        channel.call()


def test_no_frame_at_all_does_more_than_break_the_channel():
    random = np.random.default_rng(2)
    frames = [golden(path)[1] for path in CALLS]
    outcomes = set()
    for number in range(4000):
        frame = bytearray(frames[number % len(frames)])
        for at in random.integers(4, len(frame), random.integers(1, 4)):
            frame[at] = random.choice([0, 1, 2, 4, 14, 64, 255, random.integers(256)])
        parent, channel, fds = channels(2)
        os.ftruncate(fds[0], 16 << 20)
        parent.sendall(frame)
        parent.close()
        try:
            outcomes.add(type(channel.call()))
        except ProtocolError as exc:
            outcomes.add(type(exc))
        finally:
            for fd in fds:
                os.close(fd)
    assert outcomes == {Call, ProtocolError}


def test_results_of_golden_descriptions_are_sent_byte_by_byte():
    for path in GOLDEN:
        described, frame = golden(path)
        payload = described.get("payload")
        if described["kind"] != "RESULT" or any(t["in"] == "region" for t in payload["tensors"]):
            continue
        parent, channel, _ = channels()
        tensors = []
        for tensor in payload["tensors"]:
            data = bytes.fromhex(tensor.get("data_hex", ""))
            tensors.append(Tensor(tensor["dtype"], tuple(tensor["shape"]), data, len(data)))
        call = Call(described["id"], 0, payload["rows"], wire.NO_SLOT, [])
        channel.send(channel.result(call, tensors, payload.get("tail", "").encode()))
        assert parent.recv(1 << 16) == frame
