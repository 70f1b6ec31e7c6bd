// state.js - who is signed in, and the gateway's state, kept fresh by a long poll; what cannot be reached is shown as old.
import { signal } from "@preact/signals";

export const me = signal(undefined); // undefined: not asked yet; null: nobody; else {login, name, roles, may_work, ...}
export const door = signal({}); // what may be known before signing in
export const state = signal(null);
export const isOld = signal(false);
export const place = signal(placeOf());
let csrf = "";

function placeOf() {
  return location.hash.slice(2);
}
// A page is seen from its beginning, however far the one before was scrolled.
addEventListener("hashchange", () => {
  place.value = placeOf();
  scrollTo(0, 0);
});

// What a request came back with when it was not success: status 0 = the gateway was not reached.
export class DeskError extends Error {
  constructor(status, body, waitS = 0) {
    super(body.error || `HTTP ${status}`);
    this.status = status;
    this.body = body;
    this.waitS = waitS;
  }
}

async function ask(method, path, body) {
  const headers = method === "POST" ? { "X-Radpost-CSRF": csrf, "Content-Type": "application/json" } : {};
  let answer;
  try {
    answer = await fetch(`/desk/v1/${path}`, { method, headers, body, cache: "no-store" });
  } catch {
    throw new DeskError(0, {});
  }
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  const said = isJson ? await answer.json() : {};
  if (answer.ok) return said;
  if (answer.status === 401 && me.value) forgetMe();
  throw new DeskError(answer.status, said, Number(answer.headers.get("Retry-After")) || 0);
}

export const get = (path) => ask("GET", path);
// The session's own word goes with it: a page of another origin cannot know it.
export const post = (path, body) => ask("POST", path, JSON.stringify(body || {}));
export const closeStudy = (uid) => post(`studies/${uid}/close`);

// ---- the session ----

function forgetMe() {
  me.value = null;
  state.value = null;
  csrf = "";
}

function admit(said) {
  csrf = said.csrf;
  me.value = said.user;
}

export async function enter(path, body) {
  admit(await post(path, body));
}

export async function leave() {
  await post("logout");
  forgetMe();
}

async function findMe() {
  try {
    admit(await get("me"));
  } catch (error) {
    if (error.status !== 401) throw error;
    me.value = null;
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Nobody is signed in: once every few seconds, whether there is anything a person must come for.
async function lookAtDoor() {
  door.value = await get("door");
  isOld.value = false;
  for (let i = 0; i < 25 && me.value === null; i++) await pause(200);
}

export async function follow() {
  let since = 0;
  for (;;) {
    try {
      if (me.value === undefined) await findMe();
      if (me.value === null) {
        since = 0;
        await lookAtDoor();
        continue;
      }
      const now = await get(`state?since=${since}&wait_s=10`);
      if (!me.value) continue;
      state.value = now;
      since = now.change;
      isOld.value = false;
    } catch (error) {
      if (error.status === 401) continue;
      isOld.value = state.value !== null || me.value === null;
      await pause(2000);
    }
  }
}
