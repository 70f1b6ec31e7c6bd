// components.js - the small parts all pages are made of.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { language, knows, say, swapLanguage } from "./words.js";
import { isDark, swapTheme } from "./theme.js";

// A labelled input, select or textarea; `hint` and `error` are tied to it for a screen reader.
export function Field({ label, name, kind = "text", value, onInput, options, hint, error, rows, ...rest }) {
  const id = `field-${name}`;
  const told = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const common = { id, name, "aria-describedby": told, "aria-invalid": error ? "true" : undefined,
    onInput: (event) => onInput(event.target.value), ...rest };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${hint && html`<span class="hint" id="${id}-hint">${hint}</span>`}
    ${options
      ? html`<select ...${common} value=${value}>${options.map(([v, text]) => html`<option value=${v} selected=${v === value}>${text}</option>`)}</select>`
      : kind === "area"
        ? html`<textarea ...${common} rows=${rows || 3} value=${value}></textarea>`
        : html`<input ...${common} type=${kind} value=${value} />`}
    ${error && html`<span class="wrong" id="${id}-error">${error}</span>`}
  </div>`;
}

// A button that says it is busy while its work runs, and cannot be pressed twice meanwhile.
export function Work({ onClick, children, ...rest }) {
  const [isBusy, setBusy] = useState(false);
  const run = async (event) => {
    setBusy(true);
    try {
      await onClick(event);
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" ...${rest} disabled=${isBusy || rest.disabled} aria-busy=${isBusy} onClick=${run}>${children}</button>`;
}

export const Notice = ({ kind = "info", children }) =>
  children ? html`<p class="notice ${kind}" role=${kind === "bad" ? "alert" : "status"}>${children}</p>` : null;

// A state or a mark: colour and a word, never colour alone.
export const Mark = ({ colour = "grey", children, title }) => html`<span class="mark ${colour}" title=${title}>${children}</span>`;

// The sentence for a failed request: the server's where it speaks both languages, else our own words where we have them,
// else what it said; and the id to quote.
export function sentence(error) {
  const own = `error_${error.status}`;
  const both = error.body?.error_zh && (language.value === "en" ? error.body.error : error.body.error_zh);
  const text = both ? both : error.status === 0 ? say("unreachable") : knows(own) ? say(own) : error.message;
  return error.id ? `${text}${say("quote", error.id)}` : text;
}

export function LanguageSwitch() {
  return html`<button type="button" class="plain" lang=${language.value === "en" ? "zh-CN" : "en"} onClick=${swapLanguage}>
    ${language.value === "en" ? "中文" : "English"}</button>`;
}

export function ThemeSwitch() {
  return html`<button type="button" class="plain" onClick=${swapTheme}>${say(isDark() ? "light" : "dark")}</button>`;
}

// <dialog>: the browser keeps the focus inside and gives it back.
export function Dialog({ title, onClose, children }) {
  const ref = useRef(null);
  useEffect(() => {
    ref.current.showModal();
  }, []);
  return html`<dialog ref=${ref} onClose=${onClose} aria-labelledby="dialog-title">
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
}

// rows of things under column heads; on a narrow screen each row becomes a card (data-label, base.css).
export function Table({ caption, heads, rows, empty }) {
  if (rows.length === 0) return html`<p class="quiet">${empty}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}><table>
    <caption class="unseen">${caption}</caption>
    <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => html`<td data-label=${heads[i]}>${cell}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
