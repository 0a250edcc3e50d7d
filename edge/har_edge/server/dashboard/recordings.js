// Clips of events that the server keeps: a list, and a player for the one that is chosen.

import { getJson } from "./api.js";
import { slotOf } from "./colours.js";
import { $, el, say } from "./dom.js";
import { actionName, bytes, clock } from "./words.js";

// A clip is whole some seconds after its action ended.
const AFTER_MS = 6000;
let timer = 0;
let shown = "";

/** Show what there is, if clips are kept. */
export async function showRecordings() {
  const found = await getJson("/clips").catch(() => null);
  if (!found) return;
  $("clips-panel").hidden = !found.kept;
  const names = found.clips.map(({ name }) => name).join();
  if (!found.kept || (names === shown && $("clips").children.length)) return;
  shown = names;
  const rows = found.clips.map(row);
  $("clips").replaceChildren(...(rows.length ? rows : [el("li", { class: "fine" }, "No clips yet.")]));
}

/** An action has ended: its clip comes soon. */
export function expectRecording() {
  clearTimeout(timer);
  timer = setTimeout(showRecordings, AFTER_MS);
}

function row({ name, action, saved, size_bytes: size }) {
  const words = `${actionName(action)}, ${clock(saved)}`;
  const button = el("button", { type: "button", class: "link", "aria-label": `Watch ${words}` }, "Watch");
  button.addEventListener("click", () => watch(name, words));
  const tag = el("span", { class: "tag", "data-hue": slotOf(action) }, actionName(action));
  const when = el("time", { datetime: saved }, new Date(saved).toLocaleDateString(), " ", clock(saved));
  return el("li", {}, when, tag, button, el("span", { class: "figure" }, bytes(size)));
}

function watch(name, words) {
  const address = `/clips/${encodeURIComponent(name)}`;
  const video = el("video", { controls: true, playsinline: true, src: address, "aria-label": words });
  video.addEventListener("error", () => {
    video.remove();
    say($("clip-note"), `This browser cannot play ${name}. Open it in another player.`);
  });
  say($("clip-note"), words);
  $("replay").replaceChildren(video);
  video.play().catch(() => {}); // a browser may want another click
  video.scrollIntoView({ block: "nearest" });
}
