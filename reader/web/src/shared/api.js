// api.js - the reader's JSON interface: errors that carry a sentence, the CSRF header, events from the server.
import { signal } from "@preact/signals";

// What a request came back with when it was not success: status 0 = the server was not reached.
export class ApiError extends Error {
  constructor(status, body) {
    super(body.error || `HTTP ${status}`);
    this.status = status;
    this.body = body; // all the server said: {error, id, …}
    this.id = body.id || "";
  }
}

let csrf = "";
export function setCsrf(value) {
  csrf = value || "";
}
export const csrfHeader = () => ({ "X-Radpost-CSRF": csrf });

// Set by the page: called when the session is no longer good.
let onSignedOut = () => {};
export function whenSignedOut(call) {
  onSignedOut = call;
}

async function bodyOf(answer) {
  const type = answer.headers.get("Content-Type") || "";
  return type.includes("json") ? answer.json() : {};
}

async function send(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") Object.assign(headers, csrfHeader());
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/api/v1/${path}`, {
      method, headers, cache: "no-store", credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, { error: "unreachable" });
  }
  const said = await bodyOf(answer).catch(() => ({}));
  if (answer.ok) return said;
  if (answer.status === 401 && path !== "login" && path !== "me") onSignedOut();
  throw new ApiError(answer.status, said);
}

export const get = (path) => send("GET", path);
export const post = (path, body = {}) => send("POST", path, body);
export const put = (path, body) => send("PUT", path, body);

// follow("worklist/stream", (data) => …): calls for every event "change" until the returned function is called.
// isLive says whether the line stands; after a break the browser comes back by itself, and we ask again in any case.
export function follow(path, onChange) {
  const isLive = signal(true);
  let source = null;
  let timer = 0;
  let isOver = false;
  const open = () => {
    source = new EventSource(`/api/v1/${path}`);
    source.onopen = () => {
      isLive.value = true;
      onChange({});
    };
    source.addEventListener("change", (event) => onChange(JSON.parse(event.data || "{}")));
    source.onerror = () => {
      isLive.value = false;
      if (source.readyState !== EventSource.CLOSED || isOver) return;
      timer = setTimeout(open, 3000);
      onChange({});
    };
  };
  open();
  const stop = () => {
    isOver = true;
    clearTimeout(timer);
    source.close();
  };
  return { isLive, stop };
}
