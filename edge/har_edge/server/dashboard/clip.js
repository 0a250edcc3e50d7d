// The timeline of a clip: a slider over a ribbon, with the frame under the cursor.

import { slotOf } from "./colours.js";
import { el, icon, say } from "./dom.js";
import { personSlot } from "./people.js";
import { asSpan, drawRibbon, partOf, spansOf } from "./ribbon.js";
import { actionName, percent, position } from "./words.js";

const STEP_S = 0.1;
const LEAP_S = 1;

/**
 * Build the timeline of an answer of the server.
 *
 * @param video The preview, which follows the cursor; null where the browser cannot play the clip.
 * @param show Takes a title and the window under the cursor.
 * @param showAll Is called when the cursor has left.
 */
export function showClip(video, answer, show, showAll) {
  const durationS = answer.duration_s;
  const spans = spansOf(answer.timeline, durationS);
  const cursor = el("i", { class: "cursor" });
  const readout = el("output", { class: "fine" }, `0:00.0 – ${position(durationS)}`);
  const slider = el(
    "div",
    { class: "timeline", role: "slider", tabindex: 0, "aria-label": "Position in the clip", "aria-valuemin": 0 },
    drawRibbon(spans, 0, durationS),
    cursor,
  );
  slider.setAttribute("aria-valuemax", durationS.toFixed(1));
  let nowS = 0;

  function goTo(timeS, { seek = true } = {}) {
    nowS = Math.min(durationS, Math.max(0, timeS));
    const span = spans.find(({ end }) => nowS < end) ?? spans.at(-1);
    const words = `${position(nowS)}: ${actionName(span.action)}, ${percent(span.confidence)}`;
    cursor.style.transform = `translateX(${((nowS / durationS) * slider.clientWidth).toFixed(1)}px)`;
    slider.setAttribute("aria-valuenow", nowS.toFixed(1));
    slider.setAttribute("aria-valuetext", words);
    say(readout, words);
    show(`At ${position(nowS)}`, span);
    // Past its last frame, a video shows none.
    if (seek && video) video.currentTime = Math.min(nowS, Math.max(0, (video.duration || durationS) - 0.05));
  }

  slider.setAttribute("aria-valuenow", "0.0");
  slider.setAttribute("aria-valuetext", readout.textContent);
  listenToPointer(slider, (share) => goTo(share * durationS), showAll);
  listenToKeys(slider, (change) => goTo(nowS + change), durationS);
  const play = video && playButton(video, (timeS) => goTo(timeS, { seek: false }));
  const foot = el("div", { class: "timeline-foot" }, play, readout, legend(spans));
  return el("section", { class: "clip", "aria-label": "Timeline" }, slider, foot, eventList(answer, spans, goTo));
}

function listenToPointer(slider, goTo, leave) {
  const move = (event) => {
    const box = slider.getBoundingClientRect();
    goTo((event.clientX - box.left) / box.width);
  };
  slider.addEventListener("pointerdown", (event) => {
    slider.setPointerCapture(event.pointerId);
    move(event);
  });
  slider.addEventListener("pointermove", move);
  slider.addEventListener("pointerleave", leave);
  slider.addEventListener("blur", leave);
}

function listenToKeys(slider, moveBy, durationS) {
  const moves = {
    ArrowRight: STEP_S, ArrowUp: STEP_S, ArrowLeft: -STEP_S, ArrowDown: -STEP_S,
    PageUp: LEAP_S, PageDown: -LEAP_S, Home: -durationS, End: durationS,
  };
  slider.addEventListener("keydown", (event) => {
    if (!(event.key in moves)) return;
    event.preventDefault();
    moveBy(event.shiftKey ? Math.sign(moves[event.key]) * LEAP_S : moves[event.key]);
  });
}

function playButton(video, follow) {
  const button = el("button", { type: "button", class: "icon", "aria-label": "Play" }, icon("play"));
  const show = (label, name) => {
    button.setAttribute("aria-label", label);
    button.replaceChildren(icon(name));
  };
  const tick = () => {
    if (video.paused) return;
    follow(video.currentTime);
    requestAnimationFrame(tick);
  };
  button.addEventListener("click", () => (video.paused ? video.play().catch(() => {}) : video.pause()));
  video.addEventListener("play", () => {
    show("Pause", "pause");
    tick();
  });
  video.addEventListener("pause", () => show("Play", "play"));
  return button;
}

function legend(spans) {
  const actions = [...new Set(spans.map(({ action }) => action))];
  const items = actions.map((action) => el("li", { "data-hue": slotOf(action) }, actionName(action)));
  return el("ul", { class: "legend", "aria-label": "Colours" }, items);
}

function eventList({ events, people }, spans, goTo) {
  const ended = (events ?? []).filter(({ end_s: end }) => end != null);
  if (!ended.length) return null;
  const rows = ended.map((event) => {
    const { action, confidence, person } = event;
    const whose = people?.find((one) => one.person === person);
    const { start, end } = partOf(event, whose ? whose.timeline.map(asSpan) : spans);
    const jump = el("button", { type: "button", class: "link" }, `${position(start)} – ${position(end)}`);
    jump.addEventListener("click", () => goTo(start));
    const name = el("span", { class: "tag", "data-hue": slotOf(action) }, actionName(action));
    const who = person != null && el("span", { class: "who", "data-person": personSlot(person) }, String(person));
    return el("li", {}, jump, name, who, el("span", { class: "figure" }, percent(confidence)));
  });
  return el("ol", { class: "log", "aria-label": "Events in this clip" }, rows);
}
