// state.js - the gateway's state, kept fresh by a long poll; what cannot be reached is shown as old.
import { signal } from "@preact/signals";

export const state = signal(null);
export const isOld = signal(false);
export const place = signal(placeOf());

function placeOf() {
  return location.hash.slice(2) || "studies";
}
addEventListener("hashchange", () => (place.value = placeOf()));

export async function follow() {
  let since = 0;
  for (;;) {
    try {
      const answer = await fetch(`/desk/v1/state?since=${since}&wait_s=10`, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      state.value = await answer.json();
      since = state.value.change;
      isOld.value = false;
    } catch {
      isOld.value = state.value !== null;
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

// What a request came back with when it was not success: status 0 = the gateway was not reached.
export class DeskError extends Error {
  constructor(status, body) {
    super(body.error || `HTTP ${status}`);
    this.status = status;
    this.body = body;
  }
}

// A page of another origin cannot set this header without asking first, and the gateway never says yes.
export async function post(path, body) {
  let answer;
  try {
    answer = await fetch(`/desk/v1/${path}`, {
      method: "POST", headers: { "X-Radpost-Desk": "1", "Content-Type": "application/json" }, body: JSON.stringify(body || {}),
    });
  } catch {
    throw new DeskError(0, {});
  }
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  const said = isJson ? await answer.json() : {};
  if (!answer.ok) throw new DeskError(answer.status, said);
  return said;
}

export const closeStudy = (uid) => post(`studies/${uid}/close`);
