"""The page of ``nnx-mode map``, in a real Chromium."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import pytest

from flake8_nnx_mode.facts.tree import Layer
from flake8_nnx_mode.report import map_html
from map_trees import HOSTILE, TRANSFORMER, deep, hostile, large

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --disable-quic"
).split()
TAB, ENTER, ESCAPE, END, HOME = "\ue004", "\ue007", "\ue00c", "\ue010", "\ue011"
SHIFT, LEFT, UP, RIGHT, DOWN = "\ue008", "\ue012", "\ue013", "\ue014", "\ue015"
WIDTHS, SCHEMES = (400, 1600), ("light", "dark")

CONTRASTS = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = color.map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const color = rgb(getComputedStyle(node).backgroundColor);
    if (color.length === 3) return color;
    if (color[3]) throw new Error(`half transparent: ${node.outerHTML}`);
  }
};
const low = [];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const node = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || !node.getClientRects().length) continue;
  const [one, other] = [rgb(getComputedStyle(node).color).slice(0, 3), behind(node)].map(light);
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${node.outerHTML}`);
}
return low;
"""
"""Texts that are hard to read: less contrast than WCAG AA wants."""

STOPS = """
return [...document.querySelectorAll("button, summary, input, [tabindex]")]
  .filter((node) => node.checkVisibility({contentVisibilityAuto: false}))
  .filter((node) => !node.matches(".fold"));
"""
"""All that can be clicked or focused; what `.fold` does, the keys do."""


def absent(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI has to test the page", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chrome"]:
    try:
        from selenium import webdriver
    except ImportError:
        absent("selenium is not installed")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        absent("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


class Page:
    """The page, opened."""

    def __init__(self, chrome: "Chrome", folder: Path) -> None:
        self.chrome: Any = chrome  # not all of it is typed
        self._file = folder / "map.html"

    def open(
        self, *models: Layer, width: int = 1600, scheme: str = "light", motion: str = "reduce"
    ) -> None:
        with self._file.open("w", encoding="utf-8") as file:
            map_html.write(models, file)
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        media = {"features": [{"name": k, "value": v} for k, v in features.items()]}
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.chrome.get_log("performance")
        self.chrome.get(self._file.as_uri())

    def js(self, script: str, *args: Any) -> Any:
        return self.chrome.execute_script(script, *args)

    def names(self, rows: str = ".row") -> list[str]:
        """The layers whose rows are shown, of those that match."""
        script = "return [...document.querySelectorAll(arguments[0])].filter(r => !r.hidden)"
        return list(self.js(f"{script}.map(r => r.querySelector('.name').textContent)", rows))

    def row(self, name: str) -> Any:
        script = "return [...document.querySelectorAll('.row')]"
        return self.js(
            f"{script}.find(r => r.querySelector('.name').textContent === arguments[0])", name
        )

    def within(self, name: str, selector: str) -> Any:
        """The first element in the row of a layer that matches."""
        return self.row(name).find_element("css selector", selector)

    def find(self, selector: str) -> Any:
        return self.chrome.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.chrome.switch_to.active_element.send_keys(key)

    def click(self, element: Any) -> None:
        # Selenium does not see that the sheet of details may be in the way.
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def focused(self) -> str:
        """The layer whose row has the focus, or what in it has."""
        return str(self.js(
            "const e = document.activeElement;"
            " return (e.matches('.row') ? e.querySelector('.name') : e).textContent"
        ))  # fmt: skip

    def text(self, selector: str) -> str:
        return str(self.find(selector).text)

    def check(self) -> None:
        """What holds whatever was done before."""
        assert self.js("return document.documentElement.scrollWidth <= innerWidth")
        assert self.js(CONTRASTS) == []
        assert self.chrome.get_log("browser") == []
        assert set(self._requests()) <= {self._file.as_uri(), "data:,"}

    def _requests(self) -> Iterator[str]:
        for entry in self.chrome.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            # A new tab of Chromium loads what is its own.
            if (
                message["method"] == "Network.requestWillBeSent"
                and message["params"]["documentURL"] == self._file.as_uri()
            ):
                yield message["params"]["request"]["url"]


@pytest.fixture
def page(chrome: "Chrome", tmp_path: Path) -> Page:
    return Page(chrome, tmp_path)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_can_be_read(page: Page, width: int, scheme: str) -> None:
    page.open(TRANSFORMER, width=width, scheme=scheme)
    assert page.chrome.title == "VisionTransformer"
    assert page.js("return document.documentElement.lang") == "en"
    assert len(page.names()) == 17
    assert (
        page.text("#legend").split()
        == (
            "17 layers 5 stochastic draws noise 1 stateful keeps statistics of batches 10 plain the"
            " same in training and evaluation 1 ? unknown not known 3 findings"
            if width == 1600
            else "17 layers 5 stochastic 1 stateful 10 plain 1 ? unknown 3 findings"
        ).split()
    )
    page.check()
    page.click(page.within("VisionTransformer", "[data-flag=train]"))
    page.check()
    for finding in page.chrome.find_elements("css selector", "summary"):
        page.click(finding)
    page.click(page.within("adapter", ".name"))
    page.check()
    background = page.js("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 384) == (scheme == "dark")


@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_drawn_to_any_depth(page: Page, width: int) -> None:
    page.open(deep(60), width=width)
    assert page.within("linear", ".name").size["width"] > 40
    page.check()


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_those_who_do_not_like_it(page: Page, motion: str, moves: bool) -> None:
    page.open(TRANSFORMER, motion=motion)
    style = "return getComputedStyle(arguments[0], '::before')"
    seconds = page.js(f"{style}.transitionDuration", page.find(".fold"))
    assert (seconds != "0s") == moves


def test_what_is_not_known_is_said(page: Page) -> None:
    page.open(TRANSFORMER)
    shown = page.row("adapter").text
    assert "unknown class" in shown
    assert "pick(train) unknown\nunknown" in shown
    assert "nothing is known of what it gives" in shown
    page.click(page.within("adapter", ".name"))
    assert "nnx.view\nunknown" in page.text("#panel")
    assert "what it means is unknown" in page.text("#panel")


# -- folding -------------------------------------------------------------------------------------

TOP = "VisionTransformer patches stem_norm position_dropout blocks[*] adapter norm head".split()
IN_BLOCK = "norm1 attn drop1 norm2 mlp up dropout down drop2".split()


def test_folding_with_the_mouse(page: Page) -> None:
    page.open(TRANSFORMER)
    page.click(page.within("blocks[*]", ".fold"))
    assert page.names() == TOP
    assert page.row("blocks[*]").get_attribute("aria-expanded") == "false"
    page.click(page.within("blocks[*]", ".fold"))
    assert page.names() == [*TOP[:5], *IN_BLOCK, *TOP[5:]]
    page.click(page.find("#fold"))
    assert page.names() == ["VisionTransformer"]
    page.click(page.within("VisionTransformer", ".fold"))
    assert page.names() == TOP
    page.click(page.find("#unfold"))
    assert len(page.names()) == 17


def test_folding_with_the_keyboard(page: Page) -> None:
    page.open(TRANSFORMER)
    page.js("arguments[0].focus()", page.row("blocks[*]"))
    page.press(LEFT)
    assert page.names() == TOP
    page.press(DOWN)
    assert page.focused() == "adapter"
    page.press(UP, RIGHT)
    assert len(page.names()) == 17
    page.press(DOWN, LEFT)
    assert page.focused() == "blocks[*]"
    page.press(LEFT, LEFT)
    assert page.focused() == "VisionTransformer"
    page.press(END)
    assert page.focused() == "head"
    page.press(HOME)
    assert page.focused() == "VisionTransformer"


def test_a_row_that_is_folded_away_is_no_stop(page: Page) -> None:
    page.open(TRANSFORMER)
    page.js("arguments[0].focus()", page.row("dropout"))
    page.click(page.find("#fold"))
    page.press(TAB)
    assert page.focused() == "VisionTransformer"


def test_levels_and_places_are_told_to_readers_of_screens(page: Page) -> None:
    page.open(TRANSFORMER)
    row = page.row("mlp")
    told = [row.get_attribute(f"aria-{name}") for name in ("level", "posinset", "setsize")]
    assert told == ["3", "5", "6"]
    assert row.get_attribute("aria-expanded") == "true"
    assert page.row("head").get_attribute("aria-expanded") is None


# -- the keyboard --------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_is_reached_by_the_keyboard(page: Page, width: int) -> None:
    page.open(TRANSFORMER, width=width)
    page.click(page.within("attn", "[data-flag=deterministic]"))
    page.js("document.activeElement.blur(); scrollTo(0, 0)")
    wanted = {element.id for element in page.js(STOPS)}
    rows = len(page.names())
    reached = set()

    def look() -> None:
        element = page.chrome.switch_to.active_element
        reached.add(element.id)
        # It has an outline, and neither the tools nor the sheet of details hide it.
        assert page.js(
            "const e = arguments[0], box = e.getBoundingClientRect();"
            " const seen = document.elementFromPoint(box.x + 5, box.y + 5);"
            " return getComputedStyle(e).outlineStyle === 'solid' && e.contains(seen)",
            element,
        ), element.get_attribute("outerHTML")

    page.js("document.getElementById('filter').focus()")
    page.press(f"{SHIFT}{TAB}")  # to what stands before it, in the head
    look()
    while page.js("return !document.activeElement.matches('.row')"):
        page.press(TAB)
        look()
    page.press(HOME)
    for _ in range(rows):
        look()
        if page.row(page.focused()).get_attribute("aria-expanded") == "false":
            page.press(RIGHT)
        for _ in page.js("return [...document.activeElement.querySelectorAll('.stop')]"):
            page.press(RIGHT)
            look()
        page.press(DOWN)
    page.press(TAB)
    while page.js("return document.activeElement !== document.body"):
        look()
        page.press(TAB)
    assert wanted <= reached


def test_enter_shows_the_details_of_a_layer_and_escape_closes_them(page: Page) -> None:
    page.open(TRANSFORMER, width=400)
    assert not page.find("#panel").is_displayed()
    page.js("arguments[0].focus()", page.row("mlp"))
    page.press(ENTER)
    assert page.find("#panel").is_displayed()
    shown = page.text("#panel")
    for part in (
        "VisionTransformer.blocks[*]\nmlp\nplain: the same in training and evaluation",
        "Class\nvit.layers.Mlp\nDefined\nlayers.py:7\nBuilt\nvit.py:27",
        "deterministic True means evaluation; a parameter of its call.",
        "in __call__, vit.py:46\ntrain → deterministic=not train The mode is handed on.",
    ):
        assert part in shown
    assert page.row("mlp").get_attribute("aria-selected") == "true"
    page.press(ESCAPE)
    assert not page.find("#panel").is_displayed()
    assert page.focused() == "mlp"


# -- the path of a flag --------------------------------------------------------------------------

ON_PATH = [
    ("VisionTransformer", ""),
    ("stem_norm", "train ↛ use_running_average=False fixed in __call__, vit.py:83"),
    ("position_dropout", "train → deterministic=not train in __call__, vit.py:82"),
    ("blocks[*]", "train → train=train in __call__, vit.py:90"),
    ("attn", "train ↛ deterministic is not given dropped in __call__, vit.py:41"),
    ("drop1", "train → deterministic=not train in __call__, vit.py:45"),
    ("mlp", "train → deterministic=not train in __call__, vit.py:46"),
    ("dropout", "deterministic → deterministic=deterministic in __call__, vit.py:30"),
    ("drop2", "train → deterministic=train inverted in __call__, vit.py:47"),
    ("adapter", "train → mode=pick(train) unknown in __call__, vit.py:92"),
]


def path(page: Page) -> list[tuple[str, str]]:
    """The layers on the path that is shown, and how each is called on it."""
    # What is out of sight is not laid out, and has no text to read.
    page.js("document.querySelectorAll('.row').forEach(r => r.style.contentVisibility = 'visible')")
    script = "return [...document.querySelectorAll('.row.on')].filter(r => !r.hidden)"
    shown = page.js(
        f"{script}.map(r => ['.name', '.steps'].map(s => r.querySelector(s)?.innerText ?? ''))"
    )
    return [(name, " ".join(steps.split())) for name, steps in shown]


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_a_flag_is_followed_through_the_model(page: Page, how: Literal["click", "Enter"]) -> None:
    page.open(TRANSFORMER)
    page.click(page.find("#fold"))

    def act() -> None:
        flag = page.within("VisionTransformer", "[data-flag=train]")
        if how == "click":
            page.click(flag)
        else:
            page.js("arguments[0].focus()", page.row("VisionTransformer"))
            page.press(HOME, *([RIGHT] if path(page) else [RIGHT, RIGHT]), ENTER)

    act()
    assert path(page) == ON_PATH
    assert page.names(".row:has([aria-pressed=true])") == ["VisionTransformer"]
    assert page.text("#status") == (
        "train goes through 8 layers 1 dropped 1 inverted 1 fixed 1 unknown"
    )
    steps = page.text("#panel ol")
    assert steps.startswith("VisionTransformer has train\nVisionTransformer.stem_norm\ntrain ↛ use")
    assert steps.count("\n") == 27
    act()
    assert path(page) == []
    assert page.names(".row:has([aria-pressed=true])") == []
    assert not page.find("#clear").is_displayed()
    page.check()


def test_a_path_is_cleared_by_escape_and_by_a_button(page: Page) -> None:
    page.open(TRANSFORMER)
    page.click(page.within("mlp", ".flag"))
    assert [name for name, _ in path(page)] == ["VisionTransformer", "blocks[*]", "mlp", "dropout"]
    page.press(ESCAPE)
    assert path(page) == []
    page.click(page.within("mlp", ".flag"))
    page.click(page.find("#clear"))
    assert path(page) == []
    assert page.focused() == "mlp"


def test_the_path_of_a_flag_that_is_dropped_ends_there(page: Page) -> None:
    page.open(TRANSFORMER)
    page.click(page.within("attn", ".flag"))
    assert path(page) == [("attn", "deterministic is not given dropped in __call__, vit.py:41")]
    assert "It goes through no other layer 1 dropped" in page.text("#panel").replace("\n", " ")


def test_steps_lead_to_their_layers(page: Page) -> None:
    page.open(TRANSFORMER, width=400)
    page.click(page.within("VisionTransformer", "[data-flag=train]"))
    page.click(page.find("#panel li:last-child button"))
    assert page.focused() == "adapter"


# -- findings and the filter ---------------------------------------------------------------------


def test_findings_explain_themselves_in_place(page: Page) -> None:
    page.open(TRANSFORMER)
    page.click(page.find("#panel .found button"))
    assert page.focused() == "stem_norm"
    page.press(RIGHT, RIGHT, ENTER)
    shown = page.within("stem_norm", "details").text
    for part in (
        "NNX206 the mode of self.stem_norm is fixed here, whatever the mode of this method\n",
        "Instead: write use_running_average=not train\nAt vit.py:83\n",
        "hard-coded-mode: A mode is written into a call as a constant.\n",
        "Pass the flag of the method on (deterministic=not train), or leave",
    ):
        assert part in shown


def test_the_filter(page: Page) -> None:
    page.open(TRANSFORMER)
    page.click(page.find("#fold"))
    box = page.find("#filter")
    box.send_keys("DROPOUT stochastic")
    assert page.names(".match") == ["position_dropout", "drop1", "dropout", "drop2"]
    assert page.names(".row:not(.match)") == ["VisionTransformer", "blocks[*]", "mlp"]
    assert page.text("#status") == "4 layers found"
    box.send_keys(" nowhere")
    assert page.names() == []
    page.check()
    box.send_keys(ESCAPE)
    assert len(page.names()) == 17


# -- hostile and large ---------------------------------------------------------------------------


def test_hostile_text_is_only_text(page: Page) -> None:
    page.open(hostile(), width=400)
    page.click(page.within(HOSTILE[:-7] + "\ufffd\ufffd\ufffd[31m", ".flag"))
    shown = "</script><b>\"'&amp;<!--\ufffd\ufffd\ufffd[31m"
    assert page.chrome.title == shown
    assert page.text("h1") == shown
    assert page.text("#panel h2 code") == shown
    assert page.js("return document.querySelectorAll('b b, #tree b:not(.code)').length") == 1
    page.check()


def test_no_models_and_several(page: Page) -> None:
    page.open()
    assert "No models found." in page.text("main")
    page.check()
    page.open(TRANSFORMER, deep(2))
    assert page.names() == [*TOP[:5], *IN_BLOCK, *TOP[5:], "level0", "linear"]
    assert page.row("level0").get_attribute("aria-setsize") == "2"
    page.check()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_large_model_stays_usable(page: Page, width: int) -> None:
    page.open(large(2001), width=width)
    assert len(page.names()) == 501
    page.click(page.find("#unfold"))
    assert len(page.names()) == 2001
    page.click(page.within("Net", ".flag"))
    assert len(path(page)) == 1501
    page.press(END)
    page.js("arguments[0].focus()", page.row("Net"))
    page.press(END)
    assert page.focused() == "dropout"
    box = page.js("return document.activeElement.getBoundingClientRect().toJSON()")
    assert 0 <= box["top"] < 1000
    assert page.js("return document.documentElement.scrollWidth <= innerWidth")
    assert page.chrome.get_log("browser") == []
