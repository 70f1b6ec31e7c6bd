// stat.js - an emergency: raised with a reason, and taken back the same way, wherever the study or its patient is listed.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Dialog, Field, Work, Wrong } from "./parts.js";
import { post } from "./state.js";
import { say } from "./words.js";

// The line and the doctors follow at once. registration: all its studies become one or none, also those that come later;
// else of the study alone, and isOfMore: its registration's others stay emergencies.
export function Stat({ study, registration, who, isStat, isOfMore, onClose }) {
  const [reason, setReason] = useState("");
  const [wrong, setWrong] = useState("");
  const word = isStat ? "stat_back" : "stat";
  const send = async () => {
    await post(registration ? `registrations/${registration}/urgent` : `studies/${study}/urgency`, { urgency: isStat ? "routine" : "stat", reason: reason.trim() });
    onClose();
  };
  return html`<${Dialog} title=${say(`${word}_title`)} onClose=${onClose}>
    ${who && html`<p>${who}</p>`}
    ${(!isStat || registration || isOfMore) && html`<p class="quiet">${say(!isStat ? "stat_how" : registration ? "stat_back_all" : "stat_back_one")}</p>`}
    <${Wrong}>${wrong}<//>
    <${Field} label=${say(`${word}_reason`)} name="reason" value=${reason} onInput=${setReason} maxlength="200" />
    <div class="quick">${!isStat && ["complaint_chest", "complaint_injury", "complaint_head"].map((w) => html`<button type="button" onClick=${() => setReason(say(w))}>${say(w)}</button>`)}</div>
    <div class="quick"><${Work} class="danger" disabled=${reason.trim() === ""} onError=${setWrong} onClick=${send}>${say(`${word}_do`)}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}
