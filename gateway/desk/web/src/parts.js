// parts.js - what the desk's forms and lists are made of.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { say } from "./words.js";

export function Field({ label, name, kind = "text", value, onInput, options, choices, hint, error, ...rest }) {
  const id = `field-${name}`;
  const told = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const common = { id, name, "aria-describedby": told, "aria-invalid": error ? "true" : undefined, onInput: (event) => onInput(event.target.value), ...rest };
  return html`<div class="field field-${name}">
    <label for=${id}>${label}</label>
    ${choices ? html`<select ...${common} value=${value}>${choices}</select>` : options
      ? html`<select ...${common} value=${value}>${options.map(([v, text]) => html`<option value=${v} selected=${v === value}>${text}</option>`)}</select>`
      : html`<input ...${common} type=${kind} value=${value} />`}
    ${hint && html`<span class="quiet" id="${id}-hint">${hint}</span>`}
    ${error && html`<span class="wrong" id="${id}-error">${error}</span>`}
  </div>`;
}

// A button that cannot be pressed again while its work runs; what failed is told through onError.
export function Work({ onClick, onError, children, ...rest }) {
  const [isBusy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      await onClick();
    } catch (error) {
      onError(sentence(error));
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" ...${rest} disabled=${isBusy || rest.disabled} onClick=${run}>${children}</button>`;
}

export function Dialog({ title, onClose, children, ...rest }) {
  const ref = useRef(null);
  useEffect(() => {
    ref.current.showModal();
  }, []);
  return html`<dialog ref=${ref} onClose=${onClose} aria-labelledby="dialog-title" ...${rest}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
}

// Asked once more, with what comes of it.
export function Sure({ title, words, onDo, onClose }) {
  const [wrong, setWrong] = useState("");
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <p>${words}</p><${Wrong}>${wrong}<//>
    <div class="quick"><${Work} class="danger" onError=${setWrong} onClick=${onDo}>${title}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}

export const Folded = ({ title, children }) => html`<details class="notice"><summary>${title}</summary><ul class="studies">${children}</ul></details>`;
export const Wrong = ({ children }) => (children ? html`<p class="old" role="alert">${children}</p>` : null);
export const Mark = ({ colour, children }) => html`<span class="verdict ${colour}">${children}</span>`;

export function sentence(error) {
  if (error.status === 0) return say("offline");
  const word = error.body && (error.body.word || error.body.field);
  const own = word && say(`fault_${word}`);
  if (own && own !== `fault_${word}`) return error.body.why ? `${own} (${error.body.why})` : own;
  return `${say("failed")} ${error.message}${error.body && error.body.id ? ` (${error.body.id})` : ""}`;
}
