"""A real browser, headless; reports open in it from their files."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


class Page:
    """A report that is open."""

    def __init__(self, page, path: Path) -> None:
        self.page = page
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("dialog", lambda dialog: self.problems.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", timeout=20_000)

    def ask(self, script: str, argument: object = None):
        return self.page.evaluate(script, argument)

    def click_event(self, seq: int) -> None:
        """Click where the timeline shows it, as a person does."""
        x, y = self.ask(
            """seq => { const {model, lanes} = report, box = lanes.canvas.getBoundingClientRect();
                        const {x, y} = lanes.anchor(model.find(seq));
                        return [box.left + x, box.top + y - lanes.scroller.scrollTop]; }""",
            seq,
        )
        self.page.mouse.click(x, y)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()


@pytest.fixture
def opened(browser):
    contexts = []

    def open_page(path: Path, **options) -> Page:
        contexts.append(browser.new_context(**({"viewport": {"width": 1400, "height": 860}} | options)))
        return Page(contexts[-1].new_page(), path)

    yield open_page
    for context in contexts:
        context.close()
