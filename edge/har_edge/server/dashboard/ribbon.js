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

/** A part of an answer's timeline as a span to draw. */
export const asSpan = (part) => ({ ...part, start: part.start_s, end: part.end_s });

/** The timeline of an answer as spans that cover a clip from its first to its last moment. */
export function spansOf(timeline, durationS) {
  const last = timeline.length - 1;
  return timeline.map(asSpan).map((span, index) => ({
    ...span,
    start: index ? span.start : 0,
    end: index < last ? span.end : Math.max(durationS, span.end),
  }));
}

/**
 * The part of a timeline that an event covers.
 *
 * An event is dated by its first and its last answer, and an answer is about the seconds before it:
 * drawn by its own dates, each event would begin in the middle of its part of the ribbon.
 */
export function partOf({ action, start_s: start, end_s: end }, spans) {
  const own = spans.filter((span) => span.action === action);
  const around = (at) => own.find((span) => span.start - 1e-3 <= at && at <= span.end + 1e-3);
  return { start: around(start)?.start ?? start, end: around(end)?.end ?? end };
}
