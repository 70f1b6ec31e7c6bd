// words.js - every word on the pages, Chinese first. Each part adds its own two tables; a value is a text or a function
// of what is shown. The choice of language is kept in this browser; html lang follows it, so that a screen reader and
// the choice of Han glyphs are right.
import { effect, signal } from "@preact/signals";

const tables = { "zh-CN": {}, en: {} };

export const language = signal(pick());

// add({word: …}, {word: …}): Chinese, English. Both must have the same words: a missing one is told at once.
export function add(zh, en) {
  const missing = [...Object.keys(zh).filter((w) => !(w in en)), ...Object.keys(en).filter((w) => !(w in zh))];
  if (missing.length > 0) throw new Error(`words in one language only: ${missing.join(" ")}`);
  Object.assign(tables["zh-CN"], zh);
  Object.assign(tables.en, en);
}

export function say(word, of) {
  const found = tables[language.value][word];
  return typeof found === "function" ? found(of) : found ?? word;
}

export const knows = (word) => word in tables[language.value];

export function swapLanguage() {
  language.value = language.value === "en" ? "zh-CN" : "en";
  keep("lang", language.value);
}

// ?lang=en beats what was chosen last, that beats Chinese.
function pick() {
  const asked = new URLSearchParams(location.search).get("lang") || kept("lang") || "";
  return asked.startsWith("en") ? "en" : "zh-CN";
}

// Some browsers inside other programs have no storage; then a choice lasts as long as the page.
export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    return;
  }
}

export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

effect(() => {
  document.documentElement.lang = language.value;
});
