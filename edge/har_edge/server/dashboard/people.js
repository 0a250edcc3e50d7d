// People: their colours, boxes and skeletons over a picture, who is there now, and when each was.

import { slotOf } from "./colours.js";
import { el } from "./dom.js";
import { drawRibbon } from "./ribbon.js";
import { actionName, percent } from "./words.js";

// style.css holds the colours (--person-0 ...), the same as those drawn into videos.
const COLOURS = 10;
const SEEN_SCORE = 0.3;
const SMALL_PX = 320;
const MAX_ROWS = 8;
const MAX_STEP_S = 3;
// Pairs of the 17 keypoints in the order of COCO.
const LIMBS = [
  [5, 7], [7, 9], [6, 8], [8, 10], [5, 6], [5, 11], [6, 12], [11, 12],
  [11, 13], [13, 15], [12, 14], [14, 16], [0, 1], [0, 2], [1, 3], [2, 4],
];

/** Slot of a person's colour, as text for `data-person`. */
export const personSlot = (number) => String((number - 1) % COLOURS);

/** The words that stand above a person. */
const label = ({ person, action, confidence }) =>
  action ? `${person} ${actionName(action)} ${percent(confidence)}` : String(person);

/**
 * A canvas over a picture or a video, which shows what lies where in it.
 *
 * People and zones are in fractions of the picture, so that they stay in place whatever its size.
 */
export class Overlay {
  constructor(picture) {
    this.picture = picture;
    this.people = [];
    this.extra = () => {}; // draws more, such as zones
    this.canvas = el("canvas", { class: "overlay", "aria-hidden": "true" });
    picture.after(this.canvas);
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(picture);
    for (const event of ["load", "loadedmetadata"]) picture.addEventListener(event, () => this.draw());
  }

  show(people) {
    this.people = people;
    this.draw();
  }

  /** Where the picture lies in its element: where their shapes differ there are bars beside it. */
  place() {
    const { picture } = this;
    const wide = picture.videoWidth || picture.naturalWidth || 0;
    const high = picture.videoHeight || picture.naturalHeight || 0;
    if (!wide || !high) return null;
    const scale = Math.min(picture.clientWidth / wide, picture.clientHeight / high);
    const [width, height] = [wide * scale, high * scale];
    return {
      left: (picture.clientWidth - width) / 2,
      top: (picture.clientHeight - height) / 2,
      width,
      height,
    };
  }

  /** Fractions of the picture under the pointer; null while there is no picture. */
  at(event) {
    const place = this.place();
    if (!place) return null;
    const box = this.canvas.getBoundingClientRect();
    const clip = (share) => Math.min(1, Math.max(0, share));
    return [
      clip((event.clientX - box.left - place.left) / place.width),
      clip((event.clientY - box.top - place.top) / place.height),
    ];
  }

  draw() {
    const { canvas, picture } = this;
    const density = window.devicePixelRatio || 1;
    // Setting a size wipes the canvas, and costs nothing else.
    canvas.width = Math.max(1, Math.round(picture.clientWidth * density));
    canvas.height = Math.max(1, Math.round(picture.clientHeight * density));
    canvas.style.left = `${picture.offsetLeft}px`;
    canvas.style.top = `${picture.offsetTop}px`;
    canvas.style.width = `${picture.clientWidth}px`;
    canvas.style.height = `${picture.clientHeight}px`;
    const place = this.place();
    if (!place) return;
    const pen = canvas.getContext("2d");
    pen.scale(density, density);
    const to = ([x, y]) => [place.left + x * place.width, place.top + y * place.height];
    this.extra(pen, to);
    const styles = getComputedStyle(canvas);
    const colours = this.people.map(({ person }) => styles.getPropertyValue(`--person-${personSlot(person)}`));
    const line = place.width < SMALL_PX ? 1.25 : 2;
    this.people.forEach((person, index) => drawBody(pen, to, person, colours[index], line));
    const taken = [];
    this.people.forEach((person, index) => drawLabel(pen, to, person, colours[index], place, taken));
  }

  close() {
    this.watch.disconnect();
    this.canvas.remove();
  }
}

function drawBody(pen, to, { box, keypoints, located }, colour, line) {
  if (!box) return;
  const [left, top] = to([box[0], box[1]]);
  const [right, bottom] = to([box[2], box[3]]);
  Object.assign(pen, { strokeStyle: colour, fillStyle: colour, lineWidth: line });
  pen.setLineDash(located === false ? [4, 4] : []);
  pen.strokeRect(left, top, right - left, bottom - top);
  pen.setLineDash([]);
  if (!keypoints) return;
  const seen = ([, , score]) => score >= SEEN_SCORE;
  pen.beginPath();
  for (const [start, end] of LIMBS) {
    if (!seen(keypoints[start]) || !seen(keypoints[end])) continue;
    pen.moveTo(...to(keypoints[start]));
    pen.lineTo(...to(keypoints[end]));
  }
  pen.stroke();
}

/** Black on the person's colour, above the box, below other labels that are in its way. */
function drawLabel(pen, to, person, colour, place, taken) {
  if (!person.box) return;
  const size = place.width < SMALL_PX ? 11 : 13;
  pen.font = `500 ${size}px system-ui, sans-serif`;
  const texts = [label(person), `${person.person} ${actionName(person.action)}`, String(person.person)];
  const text = texts.find((words) => pen.measureText(words).width + 8 <= place.width) ?? texts[2];
  const width = pen.measureText(text).width + 8;
  const height = size + 6;
  const [left, above] = to([person.box[0], person.box[1]]);
  const x = Math.max(place.left, Math.min(left, place.left + place.width - width));
  let y = Math.max(place.top, above - height);
  for (const other of [...taken].sort((a, b) => a.y - b.y)) {
    const meets = other.x < x + width && x < other.x + other.width && other.y < y + height && y < other.y + other.height;
    if (meets) y = other.y + other.height;
  }
  taken.push({ x, y, width, height });
  pen.fillStyle = colour;
  pen.fillRect(x, y, width, height);
  pen.fillStyle = "#000";
  pen.textBaseline = "middle";
  pen.fillText(text, x + 4, y + height / 2 + 0.5);
}

/** How many people do what, in words: `3 people: 2 walking, 1 sitting`. */
export function countWords(people) {
  if (!people.length) return "Nobody";
  const counts = {};
  for (const { action } of people) if (action) counts[action] = (counts[action] ?? 0) + 1;
  const parts = Object.entries(counts)
    .sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]))
    .map(([action, count]) => `${count} ${actionName(action)}`);
  const head = people.length === 1 ? "1 person" : `${people.length} people`;
  return parts.length ? `${head}: ${parts.join(", ")}` : head;
}

/** The list of who is there; rows stay in the order of their numbers, so that none jumps about. */
export function showPeople(list, people) {
  const sorted = [...people].sort((a, b) => a.person - b.person);
  list.replaceChildren(
    ...sorted.map(({ person, action, confidence, zone }) =>
      el(
        "li",
        { "data-person": personSlot(person) },
        el("span", { class: "who" }, `Person ${person}`),
        el("span", { class: "tag", "data-hue": slotOf(action) }, action ? actionName(action) : "looking"),
        zone && el("span", { class: "fine" }, `in ${zone}`),
        action && el("span", { class: "figure" }, percent(confidence)),
      ),
    ),
  );
}

/**
 * When each person was there, and doing what: one ribbon a person, with their colour beside it.
 *
 * @param history Rows `[time, person, action, confidence]`, oldest first.
 */
export function personRibbons(history, from, to) {
  const rows = new Map();
  for (const [at, person, action, confidence] of history) {
    if (at <= from) continue;
    if (!rows.has(person)) rows.set(person, []);
    const spans = rows.get(person);
    const before = spans.at(-1)?.end ?? -Infinity;
    spans.push({ start: at - before < MAX_STEP_S ? before : at - 1, end: at, action, confidence });
  }
  const newest = [...rows].sort((a, b) => b[1].at(-1).end - a[1].at(-1).end).slice(0, MAX_ROWS);
  return newest
    .sort((a, b) => a[0] - b[0])
    .map(([person, spans]) => personRow(person, drawRibbon(spans, from, to, summary(person, spans))));
}

/** A ribbon with the person's name and colour beside it. */
export function personRow(person, ribbon) {
  const name = el("span", { class: "who" }, `Person ${person}`);
  return el("div", { class: "person-row", "data-person": personSlot(person) }, name, ribbon);
}

function summary(person, spans) {
  const actions = [...new Set(spans.map(({ action }) => actionName(action)))];
  return `Person ${person}: ${actions.join(", ")}`;
}
