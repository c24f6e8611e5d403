"""The built site, driven in a real browser: `.ci/run` builds it and runs this."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import amsim as am
from amsim.explore import Explorer, Knobs

SITE = Path(__file__).parents[2] / "build" / "site"
if not (SITE / "index.html").exists():
    pytest.skip(
        "needs the site: uv run --group docs sphinx-build -b html docs build/site",
        allow_module_level=True,
    )
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
if BROWSER is None:
    pytest.skip("needs Chromium (Debian: apt-get install chromium)", allow_module_level=True)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: uv run --group browser pytest ..."
)

PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html"))
PAGES = [name for name in PAGES if not name.startswith("_")]
PHONE = {"width": 390, "height": 844}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the site, and says nothing."""

    extensions_map = {  # noqa: RUF012
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
    }

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])


@pytest.fixture
def page(browser, address):
    """A page that fails on errors of its scripts, on what is missing, and on other hosts."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wrong = []
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda answer: answer.status >= 400 and wrong.append(answer.url))
    page.on("request", lambda asked: foreign(asked.url, address) and wrong.append(asked.url))
    yield page
    page.close()
    assert wrong == []


def foreign(url, address):
    return not url.startswith((address, "data:", "blob:"))


TYPESET = """() => [...document.querySelectorAll('.math')].every(
    (formula) => formula.querySelector('mjx-container'))"""


def test_every_page_is_typeset_and_fits_a_phone(page, address):
    page.set_viewport_size(PHONE)
    wide, wrong, formulas = {}, [], {}
    for name in PAGES:
        page.goto(f"{address}/{name}")
        page.wait_for_function(TYPESET)
        formulas[name] = page.locator(".math").count()
        if page.locator("mjx-merror").count():
            wrong.append(name)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            wide[name] = width
    assert (wide, wrong) == ({}, [])
    assert min(formulas["conventions.html"], formulas["reference/amsim.html"]) > 10


def test_search_finds_a_public_name(page, address):
    page.goto(f"{address}/search.html?q=critical_delay")
    first = page.locator("#search-results li a").first
    first.wait_for()
    found = page.locator("#search-results").inner_text()
    assert "critical_delay" in found
    first.click()
    page.wait_for_load_state()
    assert "critical_delay" in page.locator("article").inner_text()


def test_search_is_at_hand_on_every_page(page, address):
    page.goto(f"{address}/index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("EventDriven")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=EventDriven*")
    page.locator("#search-results li a").first.wait_for()


def brightness(page):
    style = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return max(int(part) for part in style[style.index("(") + 1 : -1].split(",")[:3])


def test_dark_mode_toggles_the_page_and_the_view(page, address):
    """Also where the system is dark; the choice holds on the next page."""
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/try.html")
    page.locator("#explore.dark").wait_for()
    for theme, dark in (("Light", False), ("Dark", True)):
        page.get_by_role("button", name="Color mode").click()
        page.get_by_role("button", name=theme, exact=True).click()
        page.locator(f"#explore{'.dark' if dark else ':not(.dark)'}").wait_for()
        assert (brightness(page) < 80) == dark
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}/index.html")
    assert brightness(page) < 80


CASES = [
    {},
    {"beta": 0.005},
    {"beta": 2.0, "delay": 0.3, "scope": "link", "seed": 5},
    {"jitter": 0.4, "drop": 0.3, "quantum": 0.05, "seed": 11},
    {"beta": 0.06, "jitter": 0.2, "drop": 0.1, "scope": "link", "quantum": 0.1, "seed": 2**31 - 1},
    {"beta": 0.5, "tau_hidden": 5.0, "delay": 1.5},
    {"beta": 0.994, "tau_hidden": 0.0755, "delay": 1.5, "drop": 0.3, "seed": 2090490022},
]


def test_recalls_in_the_browser_are_those_of_python(page, address):
    """The same messages, states and verdicts, with the same random numbers."""
    page.goto(f"{address}/try.html")
    explorer = Explorer()
    cue = am.patterns.corrupt(explorer.stored[2], flip=0.2, seed=1).tolist()
    verdicts = set()
    for case in CASES:
        knobs = {**explorer.describe()["knobs"], **case}
        found = page.evaluate(
            """async ([described, question]) => {
                const { answer } = await import(new URL("_static/try/recall.js", location.href));
                const found = answer(described, question, Infinity);  // however busy the machine
                const end = found.states.at(-1);
                return { ...found, ...answer(described, { ...question, end }) };
            }""",
            [explorer.describe(), {"cue": cue, "knobs": knobs}],
        )
        wanted = explorer.recall(cue, Knobs.read(knobs))
        wanted |= explorer.certify(cue, Knobs.read(knobs), wanted["states"][-1])
        for name in ("status", "messages", "memory", "recalled", "certified", "python"):
            assert found[name] == wanted[name], (case, name)
        for name, error in (("end", 1e-6), ("times", 6e-5), ("states", 6e-4), ("shares", 6e-5),
                            ("energy", 1e-3)):  # fmt: skip
            np.testing.assert_allclose(
                found[name], wanted[name], rtol=0, atol=error, err_msg=f"{name} of {case}"
            )
        np.testing.assert_allclose(
            found["events"]["times"], wanted["events"]["times"], rtol=0, atol=6e-5
        )
        verdicts.add(wanted["certified"])
    assert verdicts == {True, False}


ASK = """async ([described, question, step]) => {
    const { answer } = await import(new URL("_static/try/recall.js", location.href));
    let now = 0;
    if (step) performance.now = () => (now += step);
    try {
        return answer(described, question);
    } catch (error) {
        return { error: error.message };
    }
}"""


def test_recalls_in_the_browser_check_what_they_are_asked(page, address):
    page.goto(f"{address}/try.html")
    described = Explorer().describe()
    cue, knobs = described["memories"][2], described["knobs"]
    for change, words in (
        ({"cue": cue[1:]}, "the cue has 63 units"),
        ({"cue": [*cue[1:], 1e7]}, "numbers up to 1e6"),
        ({"knobs": {**knobs, "beta": -1}}, "beta is missing or out of range"),
        ({"knobs": {**knobs, "quantum": 1e-9}}, "quantum is missing or out of range"),
        ({"knobs": {**knobs, "seed": 0.5}}, "seed is missing or out of range"),
        ({"knobs": {**knobs, "scope": "all"}}, "scope is missing or out of range"),
        ({"knobs": {**knobs, "gain": 1}}, "there is no knob gain"),
        ({"end": cue[1:]}, "the cue has 63 units"),
    ):
        found = page.evaluate(ASK, [described, {"cue": cue, "knobs": knobs, **change}, 0])
        assert words in found.get("error", ""), change


def test_a_recall_in_the_browser_ends_after_a_while(page, address):
    page.goto(f"{address}/try.html")
    described = Explorer().describe()
    cue = [-x for x in described["memories"][2][:12]] + described["memories"][2][12:]
    question = {"cue": cue, "knobs": {**described["knobs"], "quantum": 0.002}}
    found = page.evaluate(ASK, [described, question, 1000])  # milliseconds at each look
    assert found["status"] == "interrupted" and not found["recalled"]
    assert found["message"] == "Stopped after 1.5 s"


def test_the_view_answers_and_its_link_restores_it(page, address, browser):
    page.goto(f"{address}/try.html")
    answered(page)
    assert "Recalled: memory 2" in page.locator(".verdict.recalled").inner_text()
    page.locator("input[name=beta]").fill("0")
    answered(page)
    assert "not recalled" in page.locator(".verdict.recalled").inner_text()
    page.evaluate(
        "() => { window.copied = []; navigator.clipboard.writeText = (t) => window.copied.push(t) }"
    )
    page.get_by_role("button", name="Copy a link to this state").click()
    other = browser.new_page()
    other.goto(page.evaluate("() => window.copied[0]"))
    answered(other)
    assert other.locator("#explore pre").inner_text() == page.locator("#explore pre").inner_text()
    other.close()


def answered(page):
    """Wait until no question is under way."""
    page.locator("#explore[aria-busy=false]").wait_for()
