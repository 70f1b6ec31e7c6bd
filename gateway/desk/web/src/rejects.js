// rejects.js - images that were not good enough: how many, why, who said so; and the list of a month.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Dialog, Field, Work, Wrong } from "./parts.js";
import { post } from "./state.js";
import { say } from "./words.js";

export const REASONS = ["position", "motion", "exposure", "artefact", "wrong_part", "wrong_patient", "equipment", "other"];

export function Reject({ study, onClose }) {
  const [fields, setFields] = useState({ reason: "", images: "1", words: "" });
  const [wrong, setWrong] = useState("");
  const on = (name) => (value) => setFields((old) => ({ ...old, [name]: value }));
  const send = async () => {
    await post(`studies/${study.study}/rejects`, { reason: fields.reason, images: Number(fields.images) || 0, words: fields.words.trim() });
    onClose();
  };
  return html`<${Dialog} title=${say("reject_title")} onClose=${onClose}>
    <p class="quiet">${say("reject_how")}</p>
    <${Wrong}>${wrong}<//>
    <${Field} label=${say("reject_reason")} name="reason" value=${fields.reason} onInput=${on("reason")} options=${[["", say("choose")], ...REASONS.map((r) => [r, say(`reject_${r}`)])]} />
    <${Field} label=${say("reject_images")} name="images" kind="number" min="1" max="1000" value=${fields.images} onInput=${on("images")} />
    <${Field} label=${say("reject_words")} name="words" value=${fields.words} onInput=${on("words")} maxlength="200" />
    <div class="quick"><${Work} class="primary" disabled=${!fields.reason || (fields.reason === "other" && !fields.words.trim())} onError=${setWrong} onClick=${send}>${say("reject_do")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}

export function Rejects({ now }) {
  const counts = Object.entries(now.reject_counts || {});
  if (counts.length === 0) return null;
  const total = counts.reduce((sum, [, n]) => sum + n, 0);
  return html`<details class="notice"><summary>${say("rejects_month", total)}</summary>
    <ul>${counts.map(([reason, n]) => html`<li>${say(`reject_${reason}`)}${say("colon")}${say("images_n", n)}</li>`)}</ul></details>`;
}
