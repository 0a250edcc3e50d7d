"""The page of `har-edge serve` and servers that ask for a token, restart or go away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.browser import (
    SAMPLES,
    Open,
    SampleCamera,
    Server,
    expect,
    needs_browser,
    wait_until,
)
from tests.support.chaos.mjpeg_server import MjpegServer

# Keeps the action, the age of the frame and the number of bars as they were after each change.
NOTE_ALL = """() => {
    window.seen = [];
    const find = (id) => document.getElementById(id);
    const note = () => window.seen.push(
        [find("now").textContent, find("age").textContent, find("now-bars").children.length]);
    const all = { childList: true, characterData: true, subtree: true };
    new MutationObserver(note).observe(document.querySelector("main"), all);
}"""
TOKEN = "correct-horse-battery-staple"


@needs_browser
@pytest.mark.slow  # not by itself, but a full machine misses the two seconds that it looks for
def test_an_answer_is_dropped_when_the_window_starts_anew(open_page: Open, folder: Path) -> None:
    camera = MjpegServer()
    server = Server(folder, camera.url, "--model", "clips")
    try:
        page, _ = open_page(server.url)
        now, age = page.locator("#now"), page.locator("#age")
        expect(age).to_have_text(re.compile(r"^[\d.]+ m?s$"))
        # It lasts for two seconds, which a busy machine might not look at.
        page.evaluate(NOTE_ALL)
        camera.size = (640, 480)
        wait_until(page, "window.seen.some((all) => String(all) === '…,…,0')")
        expect(now).to_have_text(re.compile(r"\w{4,}"))
        expect(age).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    finally:
        server.stop()
        camera.stop()


@needs_browser
def test_the_page_asks_for_the_token(open_page: Open, folder: Path) -> None:
    guarded = Server(folder, "--model", "har15", token=TOKEN)
    try:
        page, watch = open_page(guarded.url)
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_be_visible()
        watch.expected.append("status of 401")
        page.get_by_label("Token", exact=True).fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).not_to_be_empty()
        page.get_by_label("Token", exact=True).fill(TOKEN)
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        expect(page.locator("#model-name")).to_have_text("har15")
        assert TOKEN not in page.evaluate("document.cookie + JSON.stringify(localStorage)")
        page.set_input_files("#input", SAMPLES / "seated.jpg")
        expect(page.locator(".card .action")).to_be_visible()
        page.reload()
        expect(page.locator("#model-name")).to_have_text("har15")
        page.get_by_role("button", name="Log out").click()
        expect(dialog).to_be_visible()
        expect(page.locator("#live")).to_be_hidden()
    finally:
        guarded.stop()


@needs_browser
def test_a_server_that_goes_away_and_comes_back(
    open_page: Open, folder: Path, camera: SampleCamera
) -> None:
    server = Server(folder, camera.url, "--model", "har15")
    try:
        page, watch = open_page(server.url)
        expect(page.locator("#fps")).to_have_text(re.compile(r"\d"))
        watch.expected += ["net::ERR_", "status of 503"]
        server.stop()
        notice = page.get_by_role("status").filter(has_text="does not reply")
        expect(notice).to_be_visible()
        expect(page.locator("#lamp")).to_have_text("offline")
        server.start()
        expect(notice).to_be_hidden()  # by itself
        expect(page.locator("#lamp")).to_have_text("connected")
        wait_until(page, "!document.getElementById('live').classList.contains('stale')")
        expect(page.locator("#fps")).to_have_text(re.compile(r"\d"))
        page.set_input_files("#input", SAMPLES / "seated.jpg")
        expect(page.locator(".card .action")).to_be_visible()
    finally:
        server.stop()


@needs_browser
def test_files_are_shown_to_the_model_of_choice(open_page: Open, folder: Path) -> None:
    server = Server(folder)
    try:
        page, _ = open_page(server.url)
        choice = page.get_by_label("Model", exact=True)
        expect(choice.locator("option")).to_have_text(
            ["what suits the file", "har15, for pictures", "clips, for clips"]
        )
        page.set_input_files("#input", [SAMPLES / name for name in ("seated.jpg", "falling.mp4")])
        facts = page.locator(".card .facts")
        expect(facts.nth(0)).to_contain_text("recognised by har15")
        expect(facts.nth(1)).to_contain_text("recognised by clips")
        sheet = page.get_by_label("Data sheet of")
        expect(sheet.locator("option")).to_have_text(["har15", "clips"])
        expect(page.locator("#model-name")).to_have_text("har15")
        sheet.select_option("clips")
        expect(page.locator("#model-name")).to_have_text("clips")
        expect(page.locator("#sheet")).to_contain_text("16 frames at 8 Hz")
        sheet.select_option("har15")
        expect(page.locator("#sheet")).to_contain_text("one picture")
        choice.select_option("clips")
        expect(page.locator("#model-name")).to_have_text("clips")  # of the one that files go to
        page.set_input_files("#input", SAMPLES / "seated.jpg")
        expect(facts).to_have_count(3)
        expect(facts.first).to_contain_text("recognised by clips")
    finally:
        server.stop()


@needs_browser
def test_a_server_with_one_model_offers_no_choice(open_page: Open, folder: Path) -> None:
    server = Server(folder, "--model", "har15")
    try:
        page, _ = open_page(server.url)
        expect(page.locator("#model-name")).to_have_text("har15")
        expect(page.locator("#model-choice")).to_be_hidden()
        expect(page.locator("#sheet-choice")).to_be_hidden()
    finally:
        server.stop()
