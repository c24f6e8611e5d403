"""How long the view of `amsim explore` takes from a slider to the picture, in Chromium.

    uv run --group browser python benchmarks/explore.py            # the page, recalls in Python
    uv run --group browser python benchmarks/explore.py --site     # the built site, in the browser
    uv run --group browser python benchmarks/explore.py --picture docs/explore.png   # what it shows

A slider moves. The picture is there with the first frame after the new recall was drawn, the
verdict on its certificate once no question is under way, by the clock of the page.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import shutil
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_MOVE = """async ([name, value]) => {
    const root = document.querySelector("#explore");
    const slider = root.querySelector(`input[name=${name}]`);
    const frame = () => new Promise(requestAnimationFrame);
    const change = (node, what, seen) => new Promise((resolve) => {
        const observer = new MutationObserver(() => {
            if (seen()) { observer.disconnect(); resolve(); }
        });
        observer.observe(node, what);
    });
    const began = performance.now();
    const drawn = change(root.querySelector("pre"), { childList: true }, () => true);
    const idle = change(
        root, { attributeFilter: ["aria-busy"] }, () => root.getAttribute("aria-busy") === "false");
    const since = async (step) => {
        await step;
        await frame();
        return performance.now() - began;
    };
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
    return Promise.all([since(drawn), since(idle)]);
}"""


@contextmanager
def served(site: str | None) -> Iterator[str]:
    """The address of the page, or of that of a built site."""
    server: http.server.HTTPServer
    if site is None:
        from amsim.explore import Explorer, Server

        server = Server(Explorer())
        server.warm_up()
        server.ready.wait()
        address = server.url
    else:
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
        handler.func.log_message = lambda *_: None  # type: ignore[method-assign]
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        address = f"http://127.0.0.1:{server.server_port}/try.html"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield address
    server.shutdown()
    thread.join()


def main() -> None:
    """Print the median and the longest time of each slider."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--site", nargs="?", const="build/site", help="of a built site, there")
    parser.add_argument("--moves", type=int, default=30)
    parser.add_argument("--picture", metavar="FILE.png", help="of the page, and measure nothing")
    parser.add_argument("--width", type=int, default=1280, help="of the window, in pixels")
    parser.add_argument("--dark", action="store_true", help="as on a system with dark colours")
    given = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with served(given.site) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": given.width, "height": 900},
            color_scheme="dark" if given.dark else "light",
        )
        page.goto(address)
        page.locator("#explore[aria-busy=false]").wait_for()
        if given.picture:
            page.screenshot(path=given.picture, full_page=True)
            return
        print(f"{'ms':12}{'picture':>16}{'certificate':>16}")
        print(f"{'slider':12}" + "  median longest" * 2)
        for name in ("beta", "tau_hidden", "delay", "jitter", "drop", "quantum"):
            start = int(page.locator(f"input[name={name}]").input_value())
            steps = [
                start + (1 + k % 15) * (-1 if name == "beta" else 1) for k in range(given.moves)
            ]
            taken = [page.evaluate(_MOVE, [name, str(step)]) for step in steps]
            page.evaluate(_MOVE, [name, str(start)])
            rows = [(statistics.median(each), max(each)) for each in zip(*taken, strict=True)]
            print(f"{name:12}" + "".join(f"{typical:8.0f}{most:8.0f}" for typical, most in rows))
        browser.close()


if __name__ == "__main__":
    main()
