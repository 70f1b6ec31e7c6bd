// urgency.js - is it an emergency, who says so and why; a doctor raises it with a reason, the clinic takes it back.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { post } from "../../shared/api.js";
import { Notice, sentence, Work } from "../../shared/components.js";
import { say } from "./reading_words.js";

const isDone = (item) => ["signed", "amended", "withdrawn"].includes(item.state);

export function Urgency({ item }) {
  const isEmergency = item.urgency === "emergency";
  const why = [item.urgency_reason, item.urgency_by].filter(Boolean).join(" · ");
  return html`<span class="mark ${isEmergency ? "red" : "grey"}" data-urgency=${item.urgency}>${say(isEmergency ? "rd_emergency" : "rd_routine")}${isEmergency && why ? `: ${why}` : ""}</span>`;
}

// Its images overtake all others on the clinic's line, and it stands first in everybody's list.
export function Raise({ item }) {
  const [isAsked, setAsked] = useState(false);
  const [reason, setReason] = useState("");
  const [error, setError] = useState(null);
  const isEmergency = item.urgency === "emergency";
  if (!item.may?.urgency || isDone(item) || (isEmergency && !item.may.lower)) return null;
  const word = isEmergency ? "rd_lower" : "rd_raise";
  const send = async () => {
    if (!reason.trim()) return;
    try {
      await post(`reads/${item.read}/urgency`, { urgency: isEmergency ? "routine" : "emergency", reason: reason.trim() });
      setAsked(false);
      setReason("");
      setError(null);
    } catch (why) {
      setError(why);
    }
  };
  if (!isAsked) return html`<p class="buttons"><button type="button" onClick=${() => setAsked(true)}>${say(word)}…</button></p>`;
  return html`<div class="field"><label for="urgency-words">${say(`${word}_ask`)}</label>
    <input id="urgency-words" maxlength="190" value=${reason} onInput=${(event) => setReason(event.target.value)} />
    ${error && html`<${Notice} kind="bad">${sentence(error)}<//>`}
    <p class="buttons"><${Work} onClick=${send}>${say(word)}<//> <button type="button" onClick=${() => setAsked(false)}>${say("cancel")}</button></p></div>`;
}
