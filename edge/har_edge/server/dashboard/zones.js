// Zones: drawn with the mouse over the live picture, named, and kept by the server.

import { getJson, putJson } from "./api.js";
import { $, el, icon, say } from "./dom.js";
import { counted, duration } from "./words.js";

const NEAR_PX = 12;
const state = { zones: [], draft: null, overlay: null, writable: false, totals: {} };

/** Show the zones over a picture, and let them be drawn. */
export async function startZones(overlay) {
  if (state.overlay !== overlay) listen(overlay);
  state.overlay = overlay;
  overlay.extra = drawZones;
  const found = await getJson("/zones");
  state.writable = found.writable;
  state.zones = found.zones;
  say($("zones-why"), found.writable ? "" : found.detail);
  $("zone-draw").hidden = !found.writable;
  showList();
}

/** Say beside each zone for how long somebody was in it today. */
export function showZoneTotals(totals) {
  state.totals = totals;
  for (const row of $("zones-list").children) say(row.querySelector(".fine"), todayIn(row.dataset.zone));
}

function todayIn(name) {
  const seconds = state.totals[`zone:${name}`];
  return seconds >= 1 ? `${duration(seconds)} today` : "";
}

function listen({ canvas }) {
  $("zone-draw").addEventListener("click", () => (state.draft ? cancel() : begin()));
  $("zone-form").addEventListener("submit", (event) => {
    event.preventDefault();
    finish();
  });
  canvas.addEventListener("pointerdown", addCorner);
  canvas.addEventListener("pointermove", (event) => {
    if (!state.draft) return;
    state.draft.pointer = state.overlay.at(event);
    state.overlay.draw();
  });
  canvas.addEventListener("dblclick", () => state.draft?.polygon.length >= 3 && askForName());
  document.addEventListener("keydown", (event) => {
    if (!state.draft) return;
    if (event.key === "Escape") cancel();
    if (event.key === "Backspace" && event.target === document.body) removeCorner();
  });
}

function begin() {
  state.draft = { polygon: [], pointer: null };
  state.overlay.canvas.classList.add("drawing");
  say($("zone-draw"), "Cancel");
  say($("zones-note"), "Click the corners of the zone in the picture, and the first one again to close it.");
}

function cancel() {
  state.draft = null;
  state.overlay.canvas.classList.remove("drawing");
  $("zone-form").hidden = true;
  say($("zone-draw"), "Draw a zone");
  say($("zones-note"), "");
  state.overlay.draw();
}

function addCorner(event) {
  const { draft } = state;
  const corner = state.overlay.at(event);
  if (!draft || !corner || event.button !== 0 || !$("zone-form").hidden) return;
  event.preventDefault();
  const { polygon } = draft;
  if (polygon.length >= 3 && isNear(corner, polygon[0])) {
    askForName();
    return;
  }
  // The second click of a double one would be a corner on a corner.
  if (polygon.length && isNear(corner, polygon.at(-1), 3)) return;
  polygon.push(corner.map((share) => Math.round(share * 1e4) / 1e4));
  say($("zones-note"), `${counted(polygon.length, "corner")}. ${polygon.length < 3 ? "Three at least." : "Click the first one to close the zone."}`);
  state.overlay.draw();
}

function removeCorner() {
  state.draft.polygon.pop();
  state.overlay.draw();
}

function isNear([x, y], [toX, toY], px = NEAR_PX) {
  const { width, height } = state.overlay.place();
  return Math.hypot((x - toX) * width, (y - toY) * height) <= px;
}

function askForName() {
  $("zone-form").hidden = false;
  say($("zones-note"), "");
  $("zone-name").focus();
}

async function finish() {
  const zone = { name: $("zone-name").value.trim(), polygon: state.draft.polygon, point: $("zone-point").value };
  if (await save([...state.zones, zone])) {
    $("zone-name").value = "";
    cancel();
  }
}

async function save(zones) {
  try {
    state.zones = (await putJson("/zones", { zones })).zones;
  } catch (problem) {
    say($("zones-error"), problem.message);
    return false;
  }
  say($("zones-error"), "");
  showList();
  return true;
}

function showList() {
  const rows = state.zones.map((zone) => {
    const words = `${zone.name}${zone.source ? `, of ${zone.source}` : ""}`;
    const remove = el("button", { type: "button", class: "icon", "aria-label": `Remove zone ${zone.name}` }, icon("close"));
    remove.addEventListener("click", () => save(state.zones.filter((other) => other !== zone)));
    const today = el("span", { class: "fine" }, todayIn(zone.name));
    return el("li", { "data-zone": zone.name }, el("span", {}, words), today, state.writable && remove);
  });
  $("zones-list").replaceChildren(...rows);
  state.overlay.draw();
}

function drawZones(pen, to) {
  for (const { name, polygon } of state.zones) outline(pen, to, polygon, name, true);
  const { draft } = state;
  if (!draft) return;
  const open = draft.pointer && $("zone-form").hidden ? [...draft.polygon, draft.pointer] : draft.polygon;
  outline(pen, to, open, "", !$("zone-form").hidden);
  for (const corner of draft.polygon) {
    pen.beginPath();
    pen.arc(...to(corner), 5, 0, 2 * Math.PI);
    pen.fill();
  }
}

/** White over black, so that it shows on any picture. */
function outline(pen, to, polygon, name, closed) {
  if (!polygon.length) return;
  pen.beginPath();
  polygon.forEach((corner, index) => (index ? pen.lineTo(...to(corner)) : pen.moveTo(...to(corner))));
  if (closed) pen.closePath();
  pen.fillStyle = "#ffffff1f";
  if (closed) pen.fill();
  for (const [style, width] of [["#000000b0", 3], ["#fff", 1.25]]) {
    Object.assign(pen, { strokeStyle: style, lineWidth: width });
    pen.setLineDash([6, 4]);
    pen.stroke();
  }
  pen.setLineDash([]);
  pen.fillStyle = "#fff";
  if (!name) return;
  const [x, y] = to(polygon.reduce((low, corner) => (corner[1] > low[1] ? corner : low)));
  Object.assign(pen, { font: "500 12px system-ui, sans-serif", textBaseline: "bottom", lineWidth: 3, strokeStyle: "#000000b0" });
  pen.strokeText(name, x + 5, y - 4);
  pen.fillText(name, x + 5, y - 4);
}
