// doubts.js - what is odd about whose images these are: shown to everybody; whoever writes or signs may confirm it with a reason.
// The words may stay the same while a further person's images came, and this page follows the server by itself: what came under a
// reader's eyes is confirmed only after they say that they looked again.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Notice, Work } from "../../shared/components.js";
import { plainDay } from "../../shared/times.js";
import { SEX } from "./around.js";
import { say } from "./reading_words.js";

// What stands after the dot tells one question from the next of its kind.
function inWords(word, item) {
  const name = `rd_doubt_${word.split(".")[0]}`;
  const r = item.patient?.registered;
  if (name === "rd_doubt_registered_other" && r) return say(name, [r.name, SEX[r.sex] ?? "", plainDay(r.birth)].filter(Boolean).join(" "));
  return say(name) === name ? `${say("rd_doubt_unknown")} (${word})` : say(name);
}

export function Doubts({ item, state }) {
  const [reason, setReason] = useState("");
  const [hasTried, setTried] = useState(false);
  const words = item.doubts ?? [];
  const now = [item.doubts_revision, ...words].join(" ");
  const [seen, setSeen] = useState(now);
  const isAnew = seen !== now;
  const may = state.report.value?.may ?? {};
  if (words.length === 0 && !item.is_corrected) return null;
  const confirm = async () => {
    setTried(true);
    if (reason.trim()) await state.confirmDoubts(words, item.doubts_revision, reason.trim());
  };
  const look = () => {
    setSeen(now);
    setReason("");
    setTried(false);
  };
  const mayConfirm = item.has_open_doubts && (may.write || may.review || may.sign);
  return html`<section class="doubts" aria-label=${say("rd_doubts")} data-open=${item.has_open_doubts}>
    <${Notice} kind=${item.has_open_doubts ? "bad" : "info"}>
      ${item.is_corrected && html`<p>${say("rd_corrected")}</p>`}
      ${words.length > 0 && html`<strong>${say(item.has_open_doubts ? "rd_doubts_open" : "rd_doubts")}</strong>
        <ul>${words.map((word) => html`<li data-doubt=${word}>${inWords(word, item)}</li>`)}</ul>`}
      ${!item.has_open_doubts && item.doubts_confirmed_by && html`<p>${say("rd_doubts_by", { by: item.doubts_confirmed_by.startsWith("desk:") ? say("rd_doubts_desk") : item.doubts_confirmed_by, reason: item.doubts_reason ?? "" })}</p>`}
    <//>
    ${mayConfirm && isAnew && html`<${Notice} kind="bad">${say("rd_doubts_anew")}<//><${Work} onClick=${look}>${say("rd_doubts_looked")}<//>`}
    ${mayConfirm && !isAnew && html`<details class="confirm"><summary>${say("rd_doubts_mine")}</summary><div class="field"><label for="doubts-reason">${say("rd_doubts_reason")}</label>
      <textarea id="doubts-reason" rows="2" value=${reason} aria-invalid=${hasTried && !reason.trim() ? "true" : undefined} onInput=${(event) => setReason(event.target.value)}></textarea>
      ${hasTried && !reason.trim() && html`<span class="wrong" role="alert">${say("rd_need_reason")}</span>`}
      <${Work} onClick=${confirm}>${say("rd_doubts_confirm")}<//></div></details>`}
  </section>`;
}
