"""The numbers of the page are those of the library, and strangers get none of them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest

import amsim as am
from amsim.cli import main
from amsim.explore import Explorer, Knobs, Server, recall, widget
from amsim.explore.server import _Handler


@pytest.fixture(scope="module")
def explorer():
    return Explorer()


@pytest.fixture(scope="module")
def server(explorer):
    with Server(explorer) as server:
        server.ready.set()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def damaged(explorer, memory=2, share=5):
    cue = explorer.stored[memory].copy()
    cue[::share] *= -1
    return cue


KNOBS = [
    {},
    {"delay": 0.3, "jitter": 0.2, "seed": 4},
    {"drop": 0.3, "quantum": 0.05, "tau_hidden": 0.5},
    {"scope": "link", "delay": 0.2, "jitter": 0.1},
    {"beta": 0.005},
]


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_the_lines_of_python_repeat_the_recall(explorer, knobs):
    found = explorer.recall(damaged(explorer), Knobs(**{"beta": 0.5, **knobs}))
    names: dict = {}
    exec(found["python"], names)
    traj = names["traj"]
    np.testing.assert_array_equal(names["cue"], damaged(explorer))
    np.testing.assert_allclose(found["states"][-1], traj.final["visible"], rtol=0, atol=5.1e-4)
    assert found["final"] == traj.final["visible"].tolist()  # not rounded: certificates use it
    assert found["messages"] == sum(traj.stats["messages"].values())
    assert found["status"] == traj.status and found["end"] == float(traj.end_times)
    np.testing.assert_allclose(found["energy"][-1], traj.energy[-1], rtol=1e-4, atol=1e-4)


def both(explorer, cue, knobs):
    """A recall with its certificate, as a page gets them one after the other."""
    found = explorer.recall(cue, knobs)
    return {**found, **explorer.certify(cue, knobs, found["final"])}


def test_both_verdicts(explorer):
    """A blend of all memories is certified, and is none of them."""
    cue = damaged(explorer)
    sharp = both(explorer, cue, Knobs(beta=0.5))
    assert sharp["recalled"] and sharp["memory"] == 2
    net = explorer.network(Knobs(beta=0.5))
    target = am.simulate(net, sharp["states"][-1], solver=am.FixedPoint()).final
    holds = am.stability.certify(net, cue, target=target, scope="broadcast").holds
    assert sharp["certified"] == bool(holds)
    blend = both(explorer, cue, Knobs(beta=0.005))
    assert blend["certified"] and not blend["recalled"] and blend["distance"] > 0.2
    by_link = both(explorer, cue, Knobs(beta=0.5, scope="link"))
    assert not by_link["certified"] and by_link["certificate"].startswith("No proof was found")


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 1), (0, 255), (200, 202)], ids=str)
def test_recalled_means_the_same_at_any_brightness_and_contrast(explorer, low, high):
    shown = low + (explorer.stored + 1) / 2 * (high - low)
    scaled = Explorer(shown)
    for k, pattern in enumerate(shown):
        found = scaled._nearest(pattern, True)
        assert found == {"memory": k, "distance": 0, "recalled": True}
        others = np.linalg.norm(shown - pattern, axis=1)
        closest = np.argsort(others)[1]
        for share, recalled in ((0.09, True), (0.11, False)):
            found = scaled._nearest(pattern + share * (shown[closest] - pattern), True)
            assert (found["memory"], found["recalled"]) == (k, recalled)
            assert found["distance"] == pytest.approx(share)
        assert not scaled._nearest(pattern, False)["recalled"]
    assert not scaled._nearest(shown.mean(axis=0), True)["recalled"]


def test_one_pattern_and_copies_of_it_are_recalled():
    for copies in (1, 2):
        found = Explorer(np.ones((copies, 4)))._nearest(np.full(4, 0.95), True)
        assert found["recalled"] and found["distance"] == pytest.approx(0.05)


def test_a_recall_that_takes_too_long_says_so(monkeypatch):
    monkeypatch.setattr(recall, "_PATIENCE", 1e-9)
    explorer = Explorer(am.patterns.random(40, 2048, seed=0))
    knobs = Knobs(explorer.beta, jitter=1.0, scope="link", quantum=0.002)
    found = explorer.recall(damaged(explorer), knobs)
    assert found["status"] == "interrupted" and "wall_limit" in found["message"]
    assert not found["recalled"] and len(found["times"]) == len(found["states"])


def test_who_has_gone_is_not_computed_for(explorer):
    here, there = socket.socketpair()
    handler = _Handler.__new__(_Handler)
    handler.connection = here
    with here:
        with there:
            assert not handler._is_gone()
            there.send(b"x")
            assert not handler._is_gone()
            assert here.recv(1) == b"x"
        assert handler._is_gone()
        with Server(explorer) as handler.server:
            handler.server.ready.set()
            with pytest.raises(ConnectionAbortedError):
                handler._recall(question(explorer))


def test_the_certificate_says_how_far_from_rest_the_run_ended(explorer):
    cue, knobs = damaged(explorer), Knobs(beta=0.005)
    end = am.simulate(explorer.network(knobs), cue, solver=am.FixedPoint()).final["visible"].copy()
    end[3] += 0.0633
    found = explorer.certify(cue, knobs, end)
    assert found["certified"] and found["certificate"].endswith("this run ended 0.063 from it.")


def test_patterns_of_small_numbers_are_drawn_as_finely():
    stored = np.array([[0.01, -0.01, 0.01, 0.01], [-0.01, -0.01, 0.01, -0.01]])
    explorer = Explorer(stored)
    found = explorer.recall(0.9 * stored[0], Knobs(explorer.beta, quantum=0.002))
    np.testing.assert_allclose(found["states"][0], 0.9 * stored[0], rtol=1e-3)
    assert explorer.describe()["memories"] == stored.tolist()


def test_what_is_drawn_can_be_sent(explorer):
    found = explorer.recall(damaged(explorer), Knobs(beta=0.5, quantum=0.002, drop=0.5))
    assert len(found["events"]["times"]) == 4000 < found["messages"]
    shapes = {name: np.shape(found[name]) for name in ("times", "states", "energy", "shares")}
    frames = len(found["times"])
    assert shapes == {
        "times": (frames,), "states": (frames, 64), "energy": (frames,), "shares": (frames, 10),
    }  # fmt: skip
    np.testing.assert_allclose(np.sum(found["shares"], axis=1), 1, atol=1e-3)
    assert found["times"][-2] < found["end"] <= found["times"][-1] + 1e-4
    assert len(json.dumps(found)) < 200_000


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "beta is missing"),
        ({"beta": 0}, "beta must"),
        ({"beta": True}, "beta"),
        ({"beta": "0.5"}, "beta"),
        ({"beta": float("nan")}, "beta"),
        ({"beta": 0.5, "drop": 0.95}, "drop"),
        ({"beta": 0.5, "quantum": 1e-9}, "quantum"),
        ({"beta": 0.5, "scope": "all"}, "scope"),
        ({"beta": 0.5, "seed": -1}, "seed"),
        ({"beta": 0.5, "tau": 1.0}, "there is no knob 'tau'"),
    ],
)
def test_knobs_are_checked(given, words):
    with pytest.raises((ValueError, TypeError), match=words):
        Knobs.read(given)


def test_patterns_are_checked():
    for stored, words in (
        (np.zeros((3, 4)), "zero"),
        (np.ones(5), "shape"),
        (np.ones((201, 4)), "201 patterns"),
        (np.ones((2, 4097)), "4097 units"),
        ([[np.nan, 1]], "patterns"),
        (np.full((2, 4), 1e-5), "scale the patterns"),
    ):
        with pytest.raises(ValueError, match=words):
            Explorer(stored)
    assert Explorer(np.ones((2, 3, 5))).shape == (3, 5)
    assert Explorer(np.ones((2, 12))).shape == (3, 4)
    assert Explorer(np.ones((2, 7))).shape == (1, 7)


@pytest.mark.parametrize("scale", [2.0**-6, 2.0**6], ids=str)
def test_knobs_follow_the_scale_of_the_patterns(explorer, scale):
    """The same messages at the same times, of values that are so much larger."""
    scaled = Explorer(scale * explorer.stored)
    turned = {"delay": 0.3, "jitter": 0.2, "quantum": 0.05}
    found, wanted = (
        each.recall(size * damaged(explorer), Knobs(0.5 / size**2, **turned))
        for each, size in ((scaled, scale), (explorer, 1.0))
    )
    count = len(wanted["events"]["times"])
    assert wanted["recalled"] and found["recalled"] and count > 100
    assert found["events"]["units"][:count] == wanted["events"]["units"][:count]
    np.testing.assert_allclose(
        found["events"]["times"][:count], wanted["events"]["times"], atol=1e-4
    )
    assert scaled.beta == pytest.approx(explorer.beta / scale**2, rel=0.05)
    assert scaled.describe()["fingerprint"] != explorer.describe()["fingerprint"]


def ask(server, method="POST", path="/recall", body=b"{}", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    given = {"X-Amsim-Token": server.token, **{k.replace("_", "-"): v for k, v in headers.items()}}
    connection.request(method, path, body if method == "POST" else None, given)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response, text


def question(explorer, **more):
    cue = damaged(explorer).tolist()
    return json.dumps({"cue": cue, "knobs": {"beta": 0.5}, **more}).encode()


def test_the_page_and_its_answers(server, explorer):
    for path, kind in (
        ("/", "text/html"), ("/explore.js", "text/javascript"), ("/explore.css", "text/css"),
    ):  # fmt: skip
        response, text = ask(server, "GET", path)
        assert response.status == 200 and response.getheader("Content-Type").startswith(kind)
        policy = response.getheader("Content-Security-Policy")
        assert "default-src 'none'" in policy and "script-src 'self'" in policy
        assert b"://" not in text.replace(b"http://www.w3.org", b"")  # nothing from other hosts
    response, text = ask(server, path="/memories")
    assert np.array_equal(json.loads(text)["memories"], explorer.stored)
    response, text = ask(server, body=question(explorer))
    assert response.status == 200
    found = json.loads(text)
    assert found["states"] == explorer.recall(damaged(explorer), Knobs(0.5))["states"]
    response, text = ask(server, body=question(explorer, end=found["states"][-1]))
    assert json.loads(text)["certified"] is True


def test_the_page_waits_while_recalls_are_compiled(server, explorer):
    server.ready.clear()
    assert json.loads(ask(server, body=question(explorer))[1]) == {"warming": True}
    server.warm_up()
    assert server.ready.wait(100) and server.broken is None
    assert "states" in json.loads(ask(server, body=question(explorer))[1])


STRANGERS = {
    "host": {"Host": "example.org"},
    "host of another port": {"Host": "127.0.0.1:1"},
    "origin": {"Origin": "http://example.org"},
    "origin of a file": {"Origin": "null"},
    "secure origin": {"Origin": "https://127.0.0.1"},
    "token": {"X_Amsim_Token": "guess"},
    "no token": {"X_Amsim_Token": ""},
    "token with strange letters": {"X_Amsim_Token": "\xe9"},
}


@pytest.mark.parametrize("headers", STRANGERS.values(), ids=STRANGERS)
def test_strangers_are_refused(server, explorer, headers):
    for path in ("/recall", "/memories"):
        response, text = ask(server, path=path, body=question(explorer), **headers)
        assert response.status == 403 and set(json.loads(text)) == {"error"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[", 400),
        (b"[" * 100_000, 400),
        (b"[]", 400),
        (b'{"cue": [1], "knobs": []}', 400),
        (b'{"cue": [1], "knobs": {"beta": 1}}', 400),
        (b'{"cue": [NaN], "knobs": {"beta": 1}}', 400),
        (b'{"cue": "1", "knobs": {"beta": 1e999}}', 400),
        (b'{"cue": null, "knobs": {"beta": 1}}', 400),
        (b'{"cue": [1], "knobs": {"beta": 1}, "end": []}', 400),
        (b'{"cue": [1], "knobs": {"beta": 1}, "seed": 1}', 400),
        (b" " * 200_001, 413),
    ],
)
def test_bad_questions_are_refused(server, body, status):
    response, text = ask(server, body=body)
    assert response.status == status and json.loads(text)["error"]


def test_only_its_files_are_sent(server):
    for path in ("/../recall.py", "/recall.py", "/page/index.html", "//etc/passwd", "/%2e%2e/a"):
        assert ask(server, "GET", path)[0].status == 404
    assert ask(server, path="/other")[0].status == 404
    assert ask(server, Content_Length="x")[0].status == 411
    assert ask(server, Content_Length="-1")[0].status == 411


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_the_command(tmp_path, capsys):
    """It prints its address, answers there alone, and ends with Ctrl-C."""
    stored = am.patterns.random(3, 12, seed=0).reshape(3, 3, 4)
    np.save(tmp_path / "own.npy", stored)
    command = [sys.executable, "-m", "amsim", "explore", "--no-browser", "--patterns", "own.npy"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        address = urlsplit(process.stdout.readline().strip())
        assert address.hostname == "127.0.0.1"
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=30)
        token = address.fragment.partition("=")[2]
        connection.request("POST", "/memories", b"{}", {"X-Amsim-Token": token})
        described = json.loads(connection.getresponse().read())
        assert described["shape"] == [3, 4] and "np.load('own.npy')" in described["source"]
        capsys.readouterr()
        assert main(["explore", "--no-browser", "--port", str(address.port)]) == 2
        assert "pass another --port" in capsys.readouterr().err
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert "Traceback" not in process.stderr.read()
    assert main(["explore", "--port", "70000"]) == 2


def test_the_next_run_has_the_same_port(explorer):
    """Links keep it; a second run beside the first takes another one."""
    from amsim.cli.explore import _PORT, _server

    with _server(explorer) as first, _server(explorer) as second:
        assert second.server_port not in (first.server_port, _PORT)
        port, free = first.server_port, first.server_port == _PORT
    with _server(explorer) as third:
        assert third.server_port == port or not free


def test_lines_for_patterns_of_a_file(tmp_path, monkeypatch):
    from amsim.cli.explore import _explorer

    monkeypatch.chdir(tmp_path)
    np.save("own.npy", (3 * am.patterns.random(3, 12, seed=0)).reshape(3, 3, 4).astype(np.int8))
    explorer = _explorer("own.npy")
    cue = explorer.stored[1].copy()
    cue[5] = 0.25
    names: dict = {}
    exec(explorer.recall(cue, Knobs(explorer.beta))["python"], names)
    np.testing.assert_array_equal(names["cue"], cue)
    found = explorer.recall(cue, Knobs(explorer.beta))["final"]
    np.testing.assert_array_equal(names["traj"].final["visible"], found)


def test_the_widget_answers_its_view(explorer):
    shown = widget(explorer.stored)
    sent: list = []
    shown.send = sent.append
    cue = damaged(explorer).tolist()
    for message in (
        {"number": 1, "cue": cue, "knobs": {"beta": 0.5}},
        {"number": 2, "cue": cue[1:], "knobs": {"beta": 0.5}},
        {"number": 3, "knobs": {"beta": 0.5}},
    ):
        shown._handle_custom_msg(message, [])
    assert [each["number"] for each in sent] == [1, 2, 3]
    assert sent[0]["states"] == explorer.recall(cue, Knobs(0.5))["states"]
    assert "shape" in sent[1]["error"] and "error" in sent[2]


@pytest.mark.parametrize("shape", [(64,), (8, 8)], ids=str)
def test_the_lines_of_the_widget_take_what_it_was_given(explorer, shape):
    given = explorer.stored.reshape(-1, *shape).astype(int).tolist()
    shown, sent = widget(given), []
    shown.send = sent.append
    asked = {"number": 1, "cue": damaged(explorer).tolist(), "knobs": {"beta": 0.5}}
    shown._handle_custom_msg(asked, [])
    names: dict = {"patterns": given}
    exec(sent[0]["python"], names)
    np.testing.assert_allclose(sent[0]["states"][-1], names["traj"].final["visible"], atol=5.1e-4)
    assert widget().described["source"] == "am.patterns.digits(10, seed=0)"
