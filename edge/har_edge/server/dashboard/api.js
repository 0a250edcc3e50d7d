// The server's routes. Every refusal arrives as a Problem with words that can be shown.

/** What the server refused, or that it did not answer (`status` 0). */
export class Problem extends Error {
  constructor(status, title, detail, retryAfterS = null) {
    super(detail || title);
    Object.assign(this, { status, title, retryAfterS });
  }
}

let askForToken = () => {};

/** Say what happens when the server wants a token. */
export function onUnauthorised(handler) {
  askForToken = handler;
}

export async function getJson(path) {
  return request(path, { headers: { Accept: "application/json" } });
}

export async function putJson(path, value) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  return request(path, { method: "PUT", headers, body: JSON.stringify(value) });
}

export async function postJson(path, value) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify(value) });
}

export async function deleteJson(path) {
  return request(path, { method: "DELETE", headers: { Accept: "application/json" } });
}

export async function logIn(token) {
  const body = JSON.stringify({ token });
  return request("/session", { method: "POST", headers: { "Content-Type": "application/json" }, body });
}

export async function logOut() {
  return request("/session", { method: "DELETE" });
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw unreachable();
  }
  const text = await response.text();
  if (response.ok) return text ? JSON.parse(text) : null;
  if (response.status === 401 && path !== "/session") askForToken();
  throw problemFrom(response.status, text, response.headers.get("Retry-After"));
}

/**
 * Send one file to be recognised.
 *
 * `fetch` tells nothing of how far an upload is; XMLHttpRequest does.
 */
export function predict(file, { model, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", model ? `/predict?${new URLSearchParams({ model })}` : "/predict");
    xhr.setRequestHeader("Accept", "application/json");
    xhr.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    xhr.upload.onload = () => onProgress(1);
    xhr.onabort = () => reject(new Problem(0, "Cancelled"));
    xhr.onerror = () => reject(unreachable());
    xhr.onload = () => {
      if (xhr.status === 200) return resolve(JSON.parse(xhr.responseText));
      if (xhr.status === 401) askForToken();
      return reject(problemFrom(xhr.status, xhr.responseText, xhr.getResponseHeader("Retry-After")));
    };
    signal.addEventListener("abort", () => xhr.abort());
    const form = new FormData();
    form.append("file", file, file.name);
    xhr.send(form);
  });
}

function unreachable() {
  return new Problem(0, "No reply", "The server does not reply. Is it still running?");
}

function problemFrom(status, text, retryAfter) {
  let body = {};
  try {
    body = JSON.parse(text) ?? {};
  } catch {
    // A proxy in between may answer with a page of its own.
  }
  const title = body.title || `The server replied ${status}`;
  const detail = typeof body.detail === "string" ? body.detail : "";
  return new Problem(status, title, detail, Number(retryAfter) || null);
}
