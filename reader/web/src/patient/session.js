// session.js - the session's CSRF word, kept for this tab, so that reading the page again does not ask for a code again.
import { setCsrf } from "../shared/api.js";

const NAME = "radpost-csrf";

export function keepCsrf(value) {
  setCsrf(value);
  try {
    sessionStorage.setItem(NAME, value);
  } catch {
    return; // no storage: the word lasts as long as the page
  }
}

try {
  setCsrf(sessionStorage.getItem(NAME));
} catch {
  setCsrf("");
}
