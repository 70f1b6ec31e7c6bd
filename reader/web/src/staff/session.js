// session.js - who is signed in, and where in the page we are.
import { signal } from "@preact/signals";
import { get, post, setCsrf, whenSignedOut } from "../shared/api.js";
import { forgetDrafts } from "./reading/kept_drafts.js";

export const user = signal(undefined); // undefined = not asked yet, null = nobody
export const place = signal(location.hash.slice(1) || "/");

addEventListener("hashchange", () => (place.value = location.hash.slice(1) || "/"));
export const hasEnded = signal(false); // the session, by itself, while somebody was signed in
whenSignedOut(() => {
  if (user.value) hasEnded.value = true; // the next answer of many that are under way says so again
  user.value = null;
});

export const go = (to) => (location.hash = to);
export const hasRole = (...roles) => roles.some((role) => user.value?.roles.includes(role));

function take(answer) {
  setCsrf(answer.csrf);
  user.value = answer.user;
}

export async function whoAmI() {
  try {
    take(await get("me"));
  } catch (error) {
    user.value = null;
    if (error.status !== 401) throw error;
  }
}

export async function signIn(fields) {
  take(await post("login", fields));
  hasEnded.value = false;
}

// What is to be kept at the server while we are still signed in: functions that return promises.
export const beforeSignOut = new Set();

// Workstations are shared: texts of reports that only this browser has go with their writer.
export async function signOut() {
  await Promise.all([...beforeSignOut].map((keep) => keep().catch(() => null)));
  const { login } = user.value;
  await post("logout");
  forgetDrafts(login, localStorage);
  setCsrf("");
  user.value = null;
  hasEnded.value = false; // nor by what was under way meanwhile
}
