// The live view: what the camera shows, what the model says of it, and what happened so far.

import { getJson } from "./api.js";
import { showBars } from "./bars.js";
import { slotOf } from "./colours.js";
import { $, el, say } from "./dom.js";
import { countWords, Overlay, personRibbons, personSlot, showPeople } from "./people.js";
import { expectRecording, showRecordings } from "./recordings.js";
import { drawRibbon } from "./ribbon.js";
import { startTeaching } from "./teach.js";
import { actionName, clock, duration, milliseconds, percent, totalMs } from "./words.js";
import { showZoneTotals, startZones } from "./zones.js";

const HISTORY_S = 300;
const TOTALS_EVERY_MS = 60_000;
const LOG_LENGTH = 200;
// A longer hole in the history is shown as one.
const MAX_STEP_S = 3;
const STATES = {
  lost: "Camera lost",
  frozen: "Picture frozen",
  black: "Picture black",
  ended: "Source ended",
  wait: "Waiting",
};

const view = { totals: {}, history: [], events: new Map(), current: null, stateTime: null, totalsTimer: 0, overlay: null, people: null, peopleHistory: [], drawn: false };

/** Fill the live view from the server; false if it has no camera. */
export async function startLive() {
  let live;
  try {
    live = await getJson("/live");
  } catch (problem) {
    if (problem.status === 404) return false;
    throw problem;
  }
  $("live").hidden = false;
  document.querySelector("[data-for=live]").hidden = false;
  say($("live-source"), live.source ?? "");
  Object.assign(view, { totals: { ...live.totals_today }, history: live.history ?? [], current: null });
  view.events.clear();
  for (const event of await newestEvents()) remember(event);
  showState({ status: live.state, detail: live.detail });
  if (live.action) showPrediction({ ...live, all_predictions: live.all_predictions ?? [] });
  drawHistory();
  drawTotals();
  drawLog();
  showRecordings();
  watchPicture();
  view.overlay ??= new Overlay($("picture"));
  view.peopleHistory = live.people_history ?? [];
  view.people = null;
  view.drawn = live.private === "skeletons"; // the pictures have them already
  if (live.people) listPeople(live);
  $("zones").hidden = !live.people;
  if (live.people) await startZones(view.overlay);
  await startTeaching();
  clearInterval(view.totalsTimer);
  view.totalsTimer = setInterval(refreshTotals, TOTALS_EVERY_MS);
  return true;
}

/** The server counts exactly, and knows when a day begins; in between the page counts along. */
async function refreshTotals() {
  if (document.hidden || $("live").classList.contains("stale")) return;
  const live = await getJson("/live").catch(() => null);
  if (!live) return; // the connection's watch says so
  view.totals = { ...live.totals_today };
  drawTotals();
}

/** What the server's event stream brings. */
export const liveListeners = {
  people: listPeople,
  prediction: (prediction) => {
    addToHistory(prediction);
    showPrediction(prediction);
  },
  action_started: (event) => {
    remember(event);
    drawLog();
  },
  action_ended: (event) => {
    remember(event);
    drawLog();
    expectRecording();
  },
  status: showState,
};

/** Say that nothing comes from the server; the last values stay, greyed. */
export function liveAway(away) {
  $("live").classList.toggle("stale", away);
}

async function newestEvents() {
  let answer = await getJson(`/events?last=${LOG_LENGTH}`);
  const events = [...answer.events];
  while (answer.next_after != null) {
    answer = await getJson(`/events?after=${answer.next_after}&limit=1000`);
    events.push(...answer.events);
  }
  return events.slice(-LOG_LENGTH * 2);
}

function showState({ status, detail, time = null }) {
  // What the stream says first, /live has said already; a state told later is a break.
  const isNews = time === null || view.stateTime !== null;
  view.stateTime = time;
  $("screen").dataset.state = status;
  // The server knows best what happened, and says so in a sentence of its own.
  const words = status === "live" ? [] : [el("strong", {}, STATES[status] ?? status), ` ${detail ?? ""}`];
  $("screen-note").replaceChildren(...words);
  if (isNews || status !== "live") forgetAnswer(status === "live" ? "…" : "–");
}

/** The last prediction is not current any more; the next one is shown again. */
function forgetAnswer(sign) {
  view.current = null;
  sayAloud();
  $("now").dataset.hue = "none";
  for (const id of ["now", "fps", "latency", "age"]) say($(id), sign);
  showBars($("now-bars"), []);
  view.overlay?.show([]);
  $("people").replaceChildren();
  $("needle").style.transform = "scaleX(0)";
}

/** Who is in view: boxes over the picture, a list, and in place of one action how many do what. */
function listPeople({ time, people }) {
  view.people = people;
  $("people").hidden = $("people-panel").hidden = false;
  $("now-bars").hidden = $("needle").parentElement.hidden = true;
  if ($("screen").dataset.state !== "live") return;
  view.overlay.show(view.drawn ? people.map((person) => ({ ...person, keypoints: null })) : people);
  showPeople($("people"), people);
  const words = countWords(people);
  $("now").dataset.hue = people.length === 1 ? slotOf(people[0].action) : "none";
  say($("now"), words);
  if (view.current !== words) {
    view.current = words;
    sayAloud();
  }
  const at = time ? Date.parse(time) / 1000 : Date.now() / 1000;
  const last = view.peopleHistory.at(-1)?.[0] ?? 0;
  if (at - last < 1) return;
  for (const { person, action, confidence } of people) {
    if (action) view.peopleHistory.push([at, person, action, confidence]);
  }
  view.peopleHistory = view.peopleHistory.filter(([then]) => then > at - HISTORY_S);
  $("people-history").replaceChildren(...personRibbons(view.peopleHistory, at - HISTORY_S, at));
}

function showPrediction(prediction) {
  if (view.people) {
    showFigures(prediction); // what is said of one person is in the list of all
    return;
  }
  const { action, confidence, all_predictions: all } = prediction;
  if ($("screen").dataset.state !== "live") return;
  const now = $("now");
  now.dataset.hue = slotOf(action);
  say(now, actionName(action));
  if (view.current !== action) {
    view.current = action;
    sayAloud();
  }
  $("needle").style.transform = `scaleX(${confidence.toFixed(3)})`;
  $("needle").parentElement.dataset.hue = slotOf(action);
  showBars($("now-bars"), all.slice(0, 5).map((row) => ({
    action: row.action,
    share: row.confidence,
    text: percent(row.confidence),
  })));
  showFigures(prediction);
}

function showFigures({ fps, latency_ms: latency, age_ms: age }) {
  if ($("screen").dataset.state !== "live") return;
  say($("fps"), fps == null ? "–" : fps.toFixed(1));
  say($("latency"), milliseconds(totalMs(latency)));
  say($("age"), milliseconds(age));
}

// An answer that flickers would drown a screen reader: it hears what has lasted a second.
let saying = 0;
function sayAloud() {
  clearTimeout(saying);
  saying = setTimeout(() => {
    const action = actionName(view.current);
    say($("now-said"), action && `Now: ${action}`);
    document.title = action ? `${action} · har-edge` : "har-edge"; // for a tab in the background
  }, 1000);
}

function addToHistory({ time, action, confidence }) {
  const at = time ? Date.parse(time) / 1000 : Date.now() / 1000;
  const last = view.history.at(-1);
  if (last && at - last[0] < 1) return;
  // The last second was this action's, as the server's own totals have it.
  if (last && at - last[0] < MAX_STEP_S) view.totals[action] = (view.totals[action] ?? 0) + at - last[0];
  view.history.push([at, action, confidence]);
  drawHistory();
  drawTotals();
}

function drawHistory() {
  const to = Math.max(view.history.at(-1)?.[0] ?? 0, 1);
  view.history = view.history.filter(([at]) => at > to - HISTORY_S);
  const spans = view.history.map(([at, action, confidence], index) => {
    const previous = view.history[index - 1]?.[0] ?? at - 1;
    return { start: at - previous < MAX_STEP_S ? previous : at - 1, end: at, action, confidence };
  });
  $("history").replaceChildren(drawRibbon(spans, to - HISTORY_S, to, summary(spans)), historyFoot(spans));
}

/** The ribbon in words, for those who do not see it. */
function summary(spans) {
  const seconds = {};
  for (const { start, end, action } of spans) seconds[action] = (seconds[action] ?? 0) + end - start;
  const sorted = Object.entries(seconds).sort((a, b) => b[1] - a[1]);
  return `Last 5 minutes: ${sorted.map(([action, s]) => `${actionName(action)} ${duration(s)}`).join(", ") || "nothing"}`;
}

function historyFoot(spans) {
  // In alphabetical order: an order by duration would jump about while one watches.
  const actions = [...new Set(spans.map(({ action }) => action))].sort();
  const items = actions.map((action) => el("li", { "data-hue": slotOf(action) }, actionName(action)));
  const legend = el("ul", { class: "legend", "aria-label": "Actions of the last 5 minutes" }, items);
  const ticks = ["−5 min", "−4", "−3", "−2", "−1", "now"];
  const axis = el("p", { class: "axis", "aria-hidden": "true" }, ticks.map((tick) => el("span", {}, tick)));
  return el("div", {}, axis, legend);
}

function drawTotals() {
  showZoneTotals(view.totals); // which stand among them, as `zone:NAME`
  const isShown = ([action, s]) => s >= 1 && !action.startsWith("zone:");
  const sorted = Object.entries(view.totals).filter(isShown).sort((a, b) => b[1] - a[1]).slice(0, 8);
  const longest = sorted[0]?.[1] ?? 1;
  showBars($("today"), sorted.map(([action, seconds]) => ({
    action,
    share: seconds / longest,
    text: duration(seconds),
  })));
}

/** Events of one action share their start; the later one knows the end. */
function remember(event) {
  const key = `${event.source} ${event.start_time} ${event.action} ${event.person ?? ""}`;
  view.events.set(key, event);
  if (view.events.size > LOG_LENGTH) view.events.delete(view.events.keys().next().value);
}

function drawLog() {
  const newest = [...view.events.values()].reverse();
  const rows = newest.map(({ action, start_time: start, duration_s: length, confidence, event, person, zone, why }) => {
    const ended = event === "action_ended" && length != null;
    const when = el("time", { datetime: start }, clock(start));
    const name = el("span", { class: "tag", "data-hue": slotOf(action) }, actionName(action));
    const figure = ended ? `${duration(length)}, ${percent(confidence)}` : "ongoing";
    const who = person != null && el("span", { class: "who", "data-person": personSlot(person) }, zone ? `${person}, ${zone}` : String(person));
    const reasons = why && el("span", { class: "fine" }, Object.entries(why).map(([key, value]) => `${key} ${value}`).join(", "));
    return el("li", {}, when, name, who, el("span", { class: "figure" }, figure), reasons);
  });
  $("log").replaceChildren(...(rows.length ? rows : [el("li", { class: "fine" }, "No events yet.")]));
}

/** The picture is fetched while somebody can see it: viewers are few, and connections too. */
function watchPicture() {
  const picture = $("picture");
  const show = () => {
    // A new address each time: the broken connection of an old one would be kept.
    if (document.hidden) picture.removeAttribute("src");
    else picture.src = `/live.mjpg?at=${Date.now()}`;
  };
  document.onvisibilitychange = show;
  picture.onerror = () => {
    if (picture.hasAttribute("src")) setTimeout(() => !$("live").classList.contains("stale") && show(), 3000);
  };
  show();
}
