// Teaching: the next seconds of the camera become examples of an action with a name.

import { deleteJson, getJson, postJson } from "./api.js";
import { $, say } from "./dom.js";

const ASK_EVERY_MS = 300;
const state = { listening: false, timer: 0, mine: false };

/** Offer to teach, and show a lesson that goes on already. */
export async function startTeaching() {
  if (!state.listening) listen();
  state.listening = true;
  show(await getJson("/live/teach"));
}

function listen() {
  $("teach-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(() => postJson("/live/teach", { label: $("teach-label").value.trim(), duration_s: Number($("teach-seconds").value) }));
  });
  $("teach-cancel").addEventListener("click", () => ask(() => deleteJson("/live/teach")));
}

async function ask(question) {
  say($("teach-error"), "");
  say($("teach-note"), "");
  state.mine = true;
  try {
    show(await question());
  } catch (problem) {
    say($("teach-error"), problem.message);
  }
}

/** The bar while it records; what came of it at the end. */
function show({ state: now, label, recorded_s: recorded, duration_s: whole, detail }) {
  clearTimeout(state.timer);
  const recording = now === "recording";
  const hadFocus = $("teach-form").contains(document.activeElement) || $("teach-going").contains(document.activeElement);
  const changes = $("teach-going").hidden === recording;
  $("teach-going").hidden = !recording;
  $("teach-form").hidden = recording;
  if (changes && hadFocus) $(recording ? "teach-cancel" : "teach-label").focus();
  if (recording) {
    Object.assign($("teach-bar"), { max: whole, value: recorded });
    say($("teach-count"), `${Math.floor(recorded)} of ${whole} s`);
    say($("teach-note"), `Recording “${label}”. Do it now.`);
    state.mine = true;
    state.timer = setTimeout(follow, ASK_EVERY_MS);
    return;
  }
  // How somebody else's lesson ended some time ago is no news to who has just come.
  say($("teach-note"), now === "done" && state.mine ? detail : "");
  say($("teach-error"), now === "failed" && state.mine ? detail : "");
  if (now === "done" && state.mine) $("teach-label").value = "";
}

async function follow() {
  try {
    show(await getJson("/live/teach"));
  } catch {
    state.timer = setTimeout(follow, 1000); // the connection's watch says that nothing comes
  }
}
