// The page: asks the server what there is, shows it, and keeps it so.

import { getJson, logIn, logOut, onUnauthorised } from "./api.js";
import { assignColours } from "./colours.js";
import { $, say } from "./dom.js";
import { limitFiles, offerModels, startFiles } from "./files.js";
import { liveAway, liveListeners, startLive } from "./live.js";
import { offerSheets } from "./model.js";
import { Connection } from "./stream.js";

const connection = new Connection({ onBack, onAway, listeners: liveListeners });

startTheme();
startLogin();
startFiles();
$("away-now").addEventListener("click", () => connection.check());
window.addEventListener("online", () => connection.check());
connection.check();

/** The server answers, for the first time or again. */
async function onBack(health) {
  $("away").hidden = true;
  say($("version"), health.version);
  limitFiles(health.max_upload_bytes);
  $("logout").hidden = !(health.token_required && health.signed_in !== false);
  if (health.token_required && health.signed_in === false) {
    lamp("wait", "locked");
    askForToken();
    return;
  }
  try {
    await load(health);
    lamp("ok", "connected");
  } catch (problem) {
    if (problem.status === 401) lamp("wait", "locked");
    else connection.lost(problem);
  }
}

async function load(health) {
  const model = await getJson("/model");
  const { classes } = await getJson("/classes");
  const { models } = await getJson("/models");
  assignColours(classes, ...models.map(({ labels }) => labels));
  offerModels(models);
  offerSheets(models, model);
  if (health.live !== false && (await startLive())) {
    connection.listen();
    liveAway(false);
  }
}

/** Calmly: what is on the page stays there, greyed. */
function onAway(waitS, problem) {
  lamp("away", "offline");
  liveAway(true);
  $("away").hidden = false;
  say($("away-why"), problem?.status ? problem.message : "The server does not reply.");
  say($("away-next"), `Next try in ${Math.max(1, Math.round(waitS))} s.`);
}

function lamp(state, words) {
  $("lamp").dataset.state = state;
  say($("lamp").lastElementChild, words);
}

function startTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => $("theme").setAttribute("aria-pressed", String(isDark()));
  $("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Without storage the choice lasts until the page is left.
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}

function askForToken() {
  if (!$("login").open) $("login").showModal();
}

function startLogin() {
  onUnauthorised(askForToken);
  // Without a token there is nothing to see: Escape does not close the dialog.
  $("login").addEventListener("cancel", (event) => event.preventDefault());
  $("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    say($("login-error"), "");
    try {
      await logIn($("token").value);
    } catch (problem) {
      say($("login-error"), problem.message);
      $("token").select();
      return;
    }
    $("token").value = "";
    $("login").close();
    connection.away = true;
    connection.check();
  });
  $("logout").addEventListener("click", async () => {
    await logOut().catch(() => {});
    location.reload();
  });
}
