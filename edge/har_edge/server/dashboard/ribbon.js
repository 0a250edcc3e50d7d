// A ribbon over time: colour says which action, height how sure. Clips and the live view share it.

import { slotOf } from "./colours.js";
import { svg } from "./dom.js";

const WIDTH = 1000;
const HEIGHT = 100;

/**
 * Draw spans `{start, end, action, confidence}` between two times.
 *
 * Neighbours of one action become one shape, so that the eye sees actions, not samples.
 */
export function drawRibbon(spans, from, to, label = null) {
  const x = (time) => Math.min(WIDTH, Math.max(0, ((time - from) / (to - from)) * WIDTH));
  const grid = [25, 50, 75].map((y) => svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
  const shapes = runs(spans).map((run) => svg("path", { d: outline(run, x), "data-hue": slotOf(run[0].action) }));
  const described = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return svg(
    "svg",
    { class: "ribbon", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", ...described },
    grid,
    shapes,
  );
}

function runs(spans) {
  const found = [];
  for (const span of spans) {
    const last = found.at(-1)?.at(-1);
    if (last && last.action === span.action && span.start - last.end < 1e-3) found.at(-1).push(span);
    else found.push([span]);
  }
  return found;
}

function outline(run, x) {
  const steps = run.map(({ start, end, confidence }) => {
    const y = (HEIGHT * (1 - confidence)).toFixed(1);
    return `${x(start).toFixed(1)},${y} ${x(end).toFixed(1)},${y}`;
  });
  return `M${x(run[0].start).toFixed(1)},${HEIGHT} L${steps.join(" ")} L${x(run.at(-1).end).toFixed(1)},${HEIGHT} Z`;
}

/**
 * Turn windows that may overlap or be instants into spans without overlap.
 *
 * Each moment belongs to the window whose middle is nearest; the ends belong to the first and last.
 */
export function spansOf(windows, durationS) {
  const sorted = [...windows].sort((a, b) => middle(a) - middle(b));
  return sorted.map((window, index) => ({
    ...window,
    start: index ? (middle(sorted[index - 1]) + middle(window)) / 2 : 0,
    end: index < sorted.length - 1 ? (middle(window) + middle(sorted[index + 1])) / 2 : durationS,
  }));
}

const middle = (window) => (window.start_s + window.end_s) / 2;
