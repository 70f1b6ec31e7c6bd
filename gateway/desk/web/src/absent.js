// absent.js - images that a device announced, or that are lost, and that will not come: somebody says so, and why.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Dialog, Field, Work, Wrong } from "./parts.js";
import { post } from "./state.js";
import { say } from "./words.js";

const REASONS = ["rejected", "deleted", "elsewhere", "failure", "lost", "other"];

// "1 will not come: deleted at the device (Zhang)": the words alone where the reason is "something else".
export const absentLine = (a) => say("absent_is", { n: a.images, why: [a.reason === "other" && a.words ? "" : say(`absent_${a.reason}`), a.words].filter(Boolean).join(" · "), by: a.by });

export function Absent({ study, onClose }) {
  const [fields, setFields] = useState({ reason: "", words: "" });
  const [wrong, setWrong] = useState("");
  const on = (name) => (value) => setFields((old) => ({ ...old, [name]: value }));
  const missing = study.missing + (study.absent?.images ?? 0) + study.lost;
  const send = async () => {
    await post(`studies/${study.study}/absent`, { reason: fields.reason, words: fields.words.trim(), missing, turn: study.missing_turn });
    onClose();
  };
  return html`<${Dialog} title=${say("absent_title", missing)} onClose=${onClose}>
    <p>${say("absent_how")}</p>
    <${Wrong}>${wrong}<//>
    <${Field} label=${say("absent_reason")} name="reason" value=${fields.reason} onInput=${on("reason")} options=${[["", say("choose")], ...REASONS.map((r) => [r, say(`absent_${r}`)])]} />
    <${Field} label=${say("reject_words")} name="words" value=${fields.words} onInput=${on("words")} maxlength="200" />
    <div class="quick"><${Work} class="danger" disabled=${!fields.reason || (fields.reason === "other" && !fields.words.trim())} onError=${setWrong} onClick=${send}>${say("absent_do")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}
