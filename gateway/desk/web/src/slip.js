// slip.js - the slip a patient takes home. Its code is made when it is asked for, shown once and printed; it is in no
// state that the page can read again, and a new one ends the old.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Dialog, Work, Wrong } from "./parts.js";
import { ageOf, sexWord } from "./people.js";
import { post } from "./state.js";
import { fullTime, say } from "./words.js";

const hidden = (phone) => phone.replace(/^(\+?\d{3})\d+(\d{4})$/, "$1****$2");

function Paper({ r, clinic, slip }) {
  const picture = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(slip.qr_svg)}`;
  return html`<div class="slip">
    <h3>${clinic}</h3>
    <p class="slip-title">${say("slip_title")}</p>
    <p><b>${r.name}</b> ${sexWord(r.sex)} ${ageOf(r.birth)}<br />${say(`modality_${r.modality}`)} · ${fullTime(r.created_us)}<br />${say("number")} ${r.accession}</p>
    <img src=${picture} alt=${say("qr_alt")} width="180" height="180" />
    <p class="slip-code">${slip.code}</p>
    <p>${slip.url ? say("slip_how", slip.url.replace(/#.*/, "")) : say("slip_how_later")}</p>
    <p>${r.phone ? say("slip_phone", hidden(r.phone)) : say("slip_no_phone")}</p>
    <p class="small">${say("slip_care")}</p>
  </div>`;
}

export function Slip({ r, clinic, onClose }) {
  const [slip, setSlip] = useState(null);
  const [wrong, setWrong] = useState("");
  const make = async () => setSlip(await post(`registrations/${r.registration}/slip`));
  return html`<${Dialog} title=${say("slip_print")} onClose=${onClose} class="paper">
    <${Wrong}>${wrong}<//>
    ${slip ? html`<${Paper} r=${r} clinic=${clinic} slip=${slip} />` : html`<p>${say(r.slip_us > 0 ? "slip_ends_old" : "slip_once")}</p>`}
    <div class="quick">
      ${slip ? html`<button type="button" class="primary" onClick=${() => print()}>${say("print")}</button>`
        : html`<${Work} class="primary" onError=${setWrong} onClick=${make}>${say("slip_make")}<//>`}
      <button type="button" onClick=${onClose}>${say("shut")}</button>
    </div>
  <//>`;
}
