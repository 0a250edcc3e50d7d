// Horizontal bars: probabilities, or seconds a day.

import { slotOf } from "./colours.js";
import { el, say } from "./dom.js";
import { actionName } from "./words.js";

/**
 * Show rows of `{action, share, text}` in a list; share is 0..1.
 *
 * Rows are reused, so that bars glide to their new length instead of jumping.
 */
export function showBars(list, rows) {
  while (list.children.length > rows.length) list.lastChild.remove();
  while (list.children.length < rows.length) list.append(emptyRow());
  rows.forEach(({ action, share, text }, index) => {
    const row = list.children[index];
    const [name, track, figure] = row.children;
    row.dataset.hue = slotOf(action);
    say(name, actionName(action));
    say(figure, text);
    track.firstChild.style.transform = `scaleX(${Math.min(1, Math.max(0, share)).toFixed(4)})`;
  });
}

function emptyRow() {
  const track = el("span", { class: "track", "aria-hidden": "true" }, el("b"));
  return el("li", {}, el("span", { class: "name" }), track, el("span", { class: "figure" }));
}
