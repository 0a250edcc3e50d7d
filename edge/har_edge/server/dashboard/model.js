// What the model is: a data sheet from GET /model.

import { getJson } from "./api.js";
import { slotOf } from "./colours.js";
import { $, el, say } from "./dom.js";
import { actionName, bytes, counted, percent } from "./words.js";

// Among fewer actions, the best five are nearly all there are.
const FEW_LABELS = 10;

/** Offer the sheets of all models where there are several; `own` is the server's own. */
export function offerSheets(models, own) {
  const select = $("sheet-model");
  const chosen = models.some(({ name }) => name === select.value) ? select.value : own.name;
  select.replaceChildren(...models.map(({ name }) => el("option", { value: name }, name)));
  select.value = chosen;
  select.onchange = () => showSheet(select.value);
  // Who shows files to a model wants to know that one.
  $("upload-model").onchange = ({ target }) => {
    select.value = target.value || own.name;
    showSheet(select.value);
  };
  $("sheet-choice").hidden = models.length < 2;
  if (chosen === own.name) showModel(own);
  else showSheet(chosen);
}

async function showSheet(name) {
  try {
    const model = await getJson(`/model?name=${encodeURIComponent(name)}`);
    if ($("sheet-model").value === name) showModel(model); // or another one was chosen meanwhile
  } catch {
    // The sheet stays as it is; the connection's watch says that nothing comes.
  }
}

/** Fill the sheet. */
function showModel(model) {
  say($("model-name"), model.name);
  const about = model.description && el("p", { class: "lead" }, model.description);
  $("sheet").replaceChildren(
    ...[about, headline(model), labels(model), details(model)].filter(Boolean),
  );
}

function headline(model) {
  const { clip, metrics = {} } = model;
  const frames = clip.num_frames === 1 ? "one picture" : `${clip.num_frames} frames at ${clip.frame_rate_hz} Hz`;
  return table({
    Accuracy: accuracy(metrics),
    "Top 5": model.labels.length >= FEW_LABELS && metrics.test_top_5_accuracy && percent(metrics.test_top_5_accuracy, 1),
    Input: `${frames}, ${clip.width} × ${clip.height} px`,
    Variant: model.variant,
    Size: model.size_bytes && bytes(model.size_bytes),
    "Runs on": [model.backend, threads(model.num_threads)].filter(Boolean).join(", "),
    "Unknown below": model.reject_threshold > 0 && percent(model.reject_threshold),
  });
}

function accuracy({ test_accuracy: mean, test_accuracy_low: low, test_accuracy_high: high, test_clips: count }) {
  if (mean == null) return null;
  const range = low != null && high != null ? el("small", {}, `${percent(low, 1)} to ${percent(high, 1)}`) : null;
  const of = count ? el("small", {}, `${count.toLocaleString("en")} held-out samples`) : null;
  return [percent(mean, 1), range, of];
}

const threads = (count) => count && counted(count, "thread");

function labels(model) {
  const items = model.labels.map((label) => el("li", { "data-hue": slotOf(label) }, actionName(label)));
  return el("div", {}, el("h3", {}, counted(items.length, "action")), el("ul", { class: "legend roomy" }, items));
}

function details(model) {
  const { metrics = {}, tool_versions: tools = {} } = model;
  const rows = {
    Backbone: model.backbone,
    "Minimum runtime": model.min_runtime,
    Licence: model.license,
    ...Object.fromEntries(Object.entries(tools).map(([name, version]) => [name, version])),
  };
  const figures = Object.fromEntries(Object.entries(metrics).map(([name, value]) => [actionName(name), String(value)]));
  return el(
    "details",
    {},
    el("summary", {}, "All metrics, tools and licence"),
    table(rows),
    table(figures),
  );
}

function table(rows) {
  const known = Object.entries(rows).filter(([, value]) => value);
  const cells = known.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, ...[value].flat().filter(Boolean))));
  return el("dl", { class: "figures sheet" }, cells);
}
