"""The page of amsim explore, driven in a real browser."""

from __future__ import annotations

import json
import shutil
import threading

import numpy as np
import pytest

from amsim.explore import Explorer, Server

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
if BROWSER is None:
    pytest.skip("needs Chromium (Debian: apt-get install chromium)", allow_module_level=True)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: uv run --group browser pytest ..."
)


@pytest.fixture(scope="module")
def server():
    with Server(Explorer()) as server:
        server.ready.set()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])


@pytest.fixture
def page(browser, server):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(server.url)
    answered(page)
    yield page
    context.close()
    assert page.said == []


def answered(page):
    """Wait until no question is under way."""
    page.locator("#explore[aria-busy=false]").wait_for(timeout=120_000)


def verdict(page, name):
    return page.locator(f".verdict.{name}").inner_text()


def test_a_recall_and_what_beta_does_to_it(page):
    assert "Recalled: memory 2" in verdict(page, "recalled")
    assert verdict(page, "certified").startswith("Certified")
    for beta, words in (("0", "Settled, but not recalled"), ("120", "Recalled: memory 2")):
        page.locator("input[name=beta]").fill(beta)
        answered(page)
        assert words in verdict(page, "recalled")
    assert "am.Softmax(beta=" in page.locator("pre").inner_text()


def test_drawing_with_the_mouse_and_with_keys(page):
    page.get_by_role("button", name="Clear").click()
    canvas = page.get_by_role("application")
    box = canvas.bounding_box()
    pixel = box["width"] / 8
    page.mouse.move(box["x"] + 3.5 * pixel, box["y"] + 0.5 * pixel)
    page.mouse.down()
    page.mouse.move(box["x"] + 3.5 * pixel, box["y"] + 7.5 * pixel, steps=1)  # a fast hand
    page.mouse.up()
    answered(page)
    lines = page.locator("pre").inner_text()
    names: dict = {}
    exec(lines[: lines.index("net =")], names)
    drawn = -np.ones((8, 8))
    drawn[:, 3] = 1
    np.testing.assert_array_equal(names["cue"].reshape(8, 8), drawn)
    canvas.focus()
    for key in ("ArrowDown", "ArrowRight", "Space"):
        page.keyboard.press(key)
    answered(page)
    lines = page.locator("pre").inner_text()
    exec(lines[: lines.index("net =")], names)
    drawn[1, 1] = 1
    np.testing.assert_array_equal(names["cue"].reshape(8, 8), drawn)


def test_a_link_restores_the_state(page, browser, server):
    page.locator("input[name=delay]").fill("40")
    answered(page)
    lines = page.locator("pre").inner_text()
    assert "delay=0.6" in lines
    page.evaluate(
        "() => { window.copied = []; navigator.clipboard.writeText = (t) => window.copied.push(t) }"
    )
    page.get_by_role("button", name="Copy a link to this state").click()
    link = page.evaluate("() => window.copied[0]")
    assert server.token not in link + page.url  # the browser has it
    other = page.context.new_page()
    other.goto(link)
    answered(other)
    assert other.locator("pre").inner_text() == lines
    other.close()


def test_a_link_outlives_the_server(page, server):
    """The next run has another token, and the same port: once that was opened, links lead there."""
    page.locator("input[name=delay]").fill("40")
    answered(page)
    lines = page.locator("pre").inner_text()
    page.evaluate("() => { navigator.clipboard.writeText = (t) => (window.copied = t) }")
    page.get_by_role("button", name="Copy a link to this state").click()
    token, server.token = server.token, "of-another-run"
    link = page.evaluate("() => window.copied")
    page.goto("about:blank")
    page.goto(link)
    page.get_by_role("alert").filter(has_text="the address that amsim explore printed").wait_for()
    other = page.context.new_page()
    other.goto(server.url)
    answered(page)  # without a hand
    assert page.locator("pre").inner_text() == lines
    other.close()
    server.token = token
    page.goto(server.url)  # in the same tab
    answered(page)
    assert page.locator("pre").inner_text() != lines
    page.said.clear()  # the browser notes the refusal


def test_links_in_the_same_tab_and_links_of_something_else(page):
    described = Explorer().describe()
    before = page.locator("pre").inner_text()
    alert = page.get_by_role("alert")
    for state, words in (
        ("{'cut", "cut or changed"),
        ('{"cue": [1], "knobs": {}}', "the cue has 1 units"),
        (json.dumps({"cue": [1] * 64, "knobs": {"beta": 9e9}}), "beta is missing or out of range"),
        (json.dumps({"cue": [1] * 64, "knobs": described["knobs"]}), "of other patterns"),
        ("null", "no cue"),
    ):
        page.evaluate("(s) => location.hash = new URLSearchParams({ state: s })", state)
        alert.filter(has_text=words).wait_for()
        answered(page)
        assert words in alert.inner_text()  # still
        assert page.locator("pre").inner_text() == before
    knobs = {**described["knobs"], "delay": 0.7}
    state = json.dumps({"cue": [1] * 64, "knobs": knobs, "of": described["fingerprint"]})
    page.evaluate("(s) => location.hash = new URLSearchParams({ state: s })", state)
    page.locator("pre").filter(has_text="delay=0.7").wait_for()
    answered(page)
    assert alert.inner_text() == ""


def test_verdicts_are_those_of_the_last_question(page):
    """Also where a certificate comes late, and where no answer comes."""
    held = []

    def hold(route):
        if held:
            route.fulfill(status=400, json={"error": "no more"})
        elif "end" in route.request.post_data_json:
            held.append(route)
        else:
            route.continue_()

    page.route("**/recall", hold)
    beta = page.locator("input[name=beta]")
    beta.fill("120")
    page.wait_for_function("() => !document.querySelector('.amsim.stale')")
    while not held:
        page.wait_for_timeout(10)
    beta.fill("0")
    assert page.locator(".amsim.stale").count() == 1
    held[0].fulfill(json={"certified": True, "certificate": "of the other knobs"})
    answered(page)
    assert page.locator(".said").first.inner_text() == "no more"
    assert verdict(page, "recalled").strip() == verdict(page, "certified").strip() == "Not known"
    assert page.locator("pre").inner_text() == ""
    page.unroute("**/recall")
    beta.fill("120")
    answered(page)
    assert "Recalled: memory 2" in verdict(page, "recalled")
    page.said.clear()  # the browser notes the refusal


def test_time_is_played_back(page):
    page.get_by_role("slider", name="Time", exact=True).fill("0")
    assert page.locator(".state .note").inner_text() == "t = 0 τ"
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('[aria-label=Time]').value > 0")


def test_everything_has_a_name_and_fits_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 844})
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 390
    for kind in ("button", "slider", "combobox", "spinbutton", "img", "application"):
        for control in page.get_by_role(kind).all():
            name = control.evaluate(
                "(e) => e.ariaLabel || e.innerText || (e.labels && e.labels[0]?.innerText)"
            )
            assert name, control.evaluate("(e) => e.outerHTML")


def test_a_page_without_the_token_learns_nothing(browser, server):
    page = browser.new_page()
    page.goto(server.url.partition("#")[0])
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "token" in alert.inner_text() and page.locator("canvas").count() == 0
    page.close()


def test_another_site_cannot_ask(browser, server):
    """A page of another origin gets no answer, not even with the token."""
    page = browser.new_page()
    page.goto("data:text/html,<p>elsewhere</p>")
    script = f"""async () => {{
        try {{
            const r = await fetch({json.dumps(server.url.partition("#")[0] + "recall")}, {{
                method: "POST", body: "{{}}", headers: {{"X-Amsim-Token": "{server.token}"}} }});
            return r.status;
        }} catch (error) {{ return "refused"; }}
    }}"""
    assert page.evaluate(script) == "refused"
    page.close()
