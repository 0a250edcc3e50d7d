// Files to recognise: chosen, dropped or pasted; two at a time, each with a card of its own.

import { Problem, predict } from "./api.js";
import { showBars } from "./bars.js";
import { showClip } from "./clip.js";
import { $, el, icon, say } from "./dom.js";
import { countWords, Overlay, personRow, showPeople } from "./people.js";
import { asSpan, drawRibbon } from "./ribbon.js";
import { actionName, bytes, counted, duration, milliseconds, percent, totalMs } from "./words.js";

const AT_ONCE = 2;
const TOP = 5;
const MAX_TRIES = 6;
// A person who was not seen for longer is not drawn.
const MAX_STEP_S = 0.75;
// Too large, no format that the server knows, nothing that it can read: the same for ever.
const FINAL = [413, 415, 422];
const waiting = [];
let maxBytes = Infinity;
let running = 0;

/** Files above this size are refused here, before anybody waits for their upload. */
export function limitFiles(bytesAtMost) {
  maxBytes = bytesAtMost ?? Infinity;
}

/** Let the user choose among several models; what each is made for stands beside its name. */
export function offerModels(models) {
  const options = models.map(({ name, looks_at: what }) => el("option", { value: name }, `${name}, for ${what}`));
  const select = $("upload-model");
  const chosen = select.value;
  select.replaceChildren(select.firstElementChild, ...options);
  select.value = models.some(({ name }) => name === chosen) ? chosen : "";
  $("model-choice").hidden = models.length < 2;
}

/** Listen to the button, to drops anywhere on the page and to the clipboard. */
export function startFiles() {
  const input = $("input");
  $("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    addFiles(input.files);
    input.value = ""; // the same file may be chosen again
  });
  document.addEventListener("paste", (event) => addFiles(event.clipboardData?.files ?? []));
  listenToDrops();
}

function listenToDrops() {
  let depth = 0; // dragenter and dragleave come for every element on the way
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (change) => {
    depth = change ? Math.max(0, depth + change) : 0;
    document.body.classList.toggle("dragging", depth > 0);
  };
  document.addEventListener("dragenter", (event) => carriesFiles(event) && mark(1));
  document.addEventListener("dragleave", (event) => carriesFiles(event) && mark(-1));
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(0);
    addFiles(event.dataTransfer.files);
  });
}

function addFiles(files) {
  for (const file of [...files].reverse()) waiting.unshift(newCard(file));
  startNext();
  if (files.length) $("cards").firstElementChild.scrollIntoView({ block: "nearest" });
}

function startNext() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    recognise(waiting.shift()).finally(() => {
      running -= 1;
      startNext();
    });
  }
}

/** A card: preview on the left, what is known on the right. */
function newCard(file) {
  const url = URL.createObjectURL(file);
  const stop = new AbortController();
  const status = el("p", { class: "status", role: "status" }, "Waiting");
  const progress = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
  const result = el("div", { class: "result" }, status, progress);
  const cannot = el("p", { class: "fine" }); // stands in where the browser shows nothing
  const preview = el("div", { class: "preview" }, previewOf(file, url, cannot));
  const close = el("button", { type: "button", class: "icon", "aria-label": `Remove ${file.name}` }, icon("close"));
  const head = el("header", {}, el("h3", { title: file.name }, file.name), el("span", {}, bytes(file.size)), close);
  const root = el("li", { class: "card" }, head, el("div", { class: "body" }, preview, result));
  const model = $("upload-model").value; // as it was when the file came
  const card = { file, model, url, stop, root, preview, cannot, result, status, progress };
  close.addEventListener("click", () => removeCard(card));
  $("cards").prepend(root);
  return card;
}

function removeCard(card) {
  const index = waiting.indexOf(card);
  if (index >= 0) waiting.splice(index, 1);
  card.stop.abort();
  card.overlay?.close();
  const next = card.root.nextElementSibling ?? card.root.previousElementSibling;
  card.root.remove();
  URL.revokeObjectURL(card.url);
  (next?.querySelector("header button") ?? $("choose")).focus();
}

function previewOf(file, url, cannot) {
  if (file.type.startsWith("video/")) {
    const video = el("video", { muted: true, playsinline: true, preload: "auto", src: url, "aria-label": file.name });
    video.muted = true;
    video.addEventListener("error", () => video.replaceWith(cannot), { once: true });
    return video;
  }
  if (!file.type.startsWith("image/")) return cannot;
  const image = el("img", { src: url, alt: `Preview of ${file.name}` });
  image.addEventListener("error", () => image.replaceWith(cannot), { once: true });
  return image;
}

async function recognise(card) {
  const { signal } = card.stop;
  if (card.file.size > maxBytes) {
    const detail = `The file is too large. It has ${bytes(card.file.size)}; this server accepts at most ${bytes(maxBytes)}. Cut it or scale it down.`;
    return showProblem(card, new Problem(413, "", detail));
  }
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      return showResult(card, await send(card, signal));
    } catch (problem) {
      const later = problem.status === 429 && attempt < MAX_TRIES;
      if (!later) return showProblem(card, problem);
      const seconds = problem.retryAfterS ?? attempt;
      say(card.status, `The server is busy. Trying again in ${seconds} s.`);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
  return undefined;
}

function send(card, signal) {
  card.progress.hidden = false;
  say(card.status, "Uploading");
  const onProgress = (share) => {
    if (share < 1) {
      card.progress.value = share;
      return;
    }
    card.progress.removeAttribute("value"); // indeterminate from here
    say(card.status, "Recognising");
  };
  return predict(card.file, { model: card.model, onProgress, signal });
}

function showProblem(card, problem) {
  const again = el("button", { type: "button" }, "Try again");
  again.addEventListener("click", () => {
    card.result.replaceChildren(card.status, card.progress);
    waiting.push(card);
    startNext();
  });
  const words = el("p", { class: "error", role: "alert" }, problem.message);
  card.result.replaceChildren(words, ...(FINAL.includes(problem.status) ? [] : [again]));
}

function showResult(card, answer) {
  const bars = el("ol", { class: "bars", "aria-label": "Most probable actions" });
  const heading = el("p", { class: "eyebrow" }, answer.timeline ? "Whole clip" : "Picture");
  const show = (title, result) => {
    say(heading, title);
    showBars(bars, topRows(result.all_predictions));
  };
  const action = el("p", { class: "action" }, headline(answer));
  const sure = el("p", { class: "sure", role: "status" }, sureness(answer));
  card.result.replaceChildren(el("div", { class: "verdict" }, action, sure), heading, bars, facts(answer));
  say(card.cannot, `This browser cannot ${answer.timeline ? "play the clip" : "show the picture"}; here is what the server saw.`);
  show(heading.textContent, answer);
  const picture = card.preview.querySelector("video, img");
  if (answer.people) showWho(card, picture, answer);
  if (answer.timeline?.length) {
    const back = () => show("Whole clip", answer);
    card.root.append(showClip(picture instanceof HTMLVideoElement ? picture : null, answer, show, back));
  }
}

/** Each person of an upload: boxes over the preview, a list, and in a clip a ribbon for each. */
function showWho(card, picture, answer) {
  const { people, duration_s: durationS } = answer;
  const list = el("ul", { class: "people", "aria-label": "People" });
  const words = el("p", { class: "fine" }, countWords(people));
  card.result.append(words, list);
  showPeople(list, people);
  if (durationS) {
    const rows = people.filter(({ timeline }) => timeline.length).map((person) => {
      const spans = person.timeline.map(asSpan);
      return personRow(person.person, drawRibbon(spans, 0, durationS, `Person ${person.person}`));
    });
    card.root.append(el("section", { class: "clip", "aria-label": "Each person" }, rows));
  }
  // An animated picture does not tell which of its frames is shown.
  if (!picture || (durationS && !(picture instanceof HTMLVideoElement))) return;
  card.overlay = new Overlay(picture);
  const show = () => card.overlay.show(picture instanceof HTMLVideoElement ? peopleAt(people, picture.currentTime) : people);
  for (const event of ["timeupdate", "seeked", "loadeddata"]) picture.addEventListener(event, show);
  // Between two of a video's own updates boxes would lag behind.
  picture.addEventListener("play", function follow() {
    show();
    if (!picture.paused && card.root.isConnected) requestAnimationFrame(follow);
  });
  show();
}

/** Where each person is at a time of the clip, and what they do; who is not in view is left out. */
function peopleAt(people, timeS) {
  const found = [];
  for (const { person, track, timeline } of people) {
    const after = track.findIndex(([at]) => at > timeS);
    const index = after < 0 ? track.length - 1 : Math.max(0, after - 1);
    if (Math.abs(track[index][0] - timeS) > MAX_STEP_S) continue;
    const span = timeline.find(({ end_s: end }) => timeS < end) ?? timeline.at(-1);
    found.push({ person, box: boxAt(track, index, timeS), action: span?.action, confidence: span?.confidence });
  }
  return found;
}

/** A box between two that are known. */
function boxAt(track, index, timeS) {
  const [at, ...box] = track[index];
  const [nextAt, ...next] = track[index + 1] ?? track[index];
  if (nextAt - at > MAX_STEP_S || nextAt <= at) return box;
  const share = Math.min(1, Math.max(0, (timeS - at) / (nextAt - at)));
  return box.map((edge, side) => edge + share * (next[side] - edge));
}

const topRows = (predictions) =>
  predictions.slice(0, TOP).map(({ action, confidence }) => ({
    action,
    share: confidence,
    text: percent(confidence),
  }));

/** A clip in which several things happen is not one action: then they are named in their order. */
function headline(answer) {
  const names = [...new Set(answer.events?.map(({ action }) => actionName(action)))];
  return isMixed(answer) ? names.join(", ") : actionName(answer.action);
}

const isMixed = ({ action, events }) => action === "unknown" && events?.length > 0;

function sureness(answer) {
  const { action, confidence, all_predictions: all } = answer;
  if (isMixed(answer)) return "No single action fits the whole clip.";
  if (action !== "unknown" || !all.length) return `${percent(confidence)} sure`;
  return `Not sure enough. Closest: ${actionName(all[0].action)}, ${percent(all[0].confidence)}.`;
}

function facts({ source, model, latency_ms: latency, duration_s: durationS, num_frames: frames }) {
  const total = totalMs(latency);
  const size = source?.width && `${source.width} × ${source.height} px`;
  const clip = durationS && [duration(durationS), frames && `${counted(frames, "frame")} analysed`].filter(Boolean).join(", ");
  const parts = [size, clip, total > 0 && `recognised ${model ? `by ${model} ` : ""}in ${milliseconds(total)}`];
  return el("p", { class: "fine facts" }, parts.filter(Boolean).map((part) => el("span", {}, part)));
}
